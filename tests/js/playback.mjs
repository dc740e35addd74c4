// Plays recordings of the pattern in Chromium: each has a duration, shows pictures and makes sound, and a jump to its
// middle shows the picture of that moment, by the number in the picture's stamp.
//   node playback.mjs RECORDING.webm...
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { browser } from "./browser.mjs";

// Seeking needs a server that gives parts of a file.
const server = createServer((request, response) => {
  const file = process.argv[2 + Number(request.url.slice(1))];
  if (request.url === "/page") {
    return response.setHeader("content-type", "text/html").end("<!doctype html><video muted></video>");
  }
  if (file === undefined) return response.writeHead(404).end();
  const { size } = statSync(file);
  const [, from = "0", to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(from), to ? Number(to) : size - 1];
  response.writeHead(206, {
    "accept-ranges": "bytes",
    "content-length": end - start + 1,
    "content-range": `bytes ${start}-${end}/${size}`,
    "content-type": file.endsWith(".webm") ? "video/webm" : "video/x-matroska",
  });
  createReadStream(file, { start, end }).pipe(response);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const chromium = await browser();
let faults = 0;
for (const [index, file] of process.argv.slice(2).entries()) {
  const page = await chromium.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/page`);
  const seen = await page.evaluate(async (source) => {
    const video = document.querySelector("video");
    const once = (name) =>
      new Promise((done, failed) => {
        video.addEventListener(name, done, { once: true });
        video.addEventListener("error", () => failed(new Error(video.error.message)), { once: true });
        setTimeout(() => failed(new Error(`no ${name} within 20 s`)), 20_000);
      });
    // The strip along the top, as peer-cli/src/media/stamp.rs draws it: 48 cells, black or white.
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const stamp = () => {
      const { videoWidth: width, videoHeight: height } = video;
      Object.assign(canvas.canvas, { width, height });
      canvas.drawImage(video, 0, 0);
      const strip = Math.floor(height / 15);
      const bits = Array.from({ length: 48 }, (_, cell) => {
        const [x, y] = [Math.floor(((cell + 0.5) * width) / 48), Math.floor(strip / 2)];
        const [red, green, blue] = canvas.getImageData(x, y, 1, 1).data;
        return red + green + blue > 384 ? "1" : "0";
      }).join("");
      const marked = bits.startsWith("1010") && bits.endsWith("0101");
      return marked ? { fps: parseInt(bits.slice(12, 18), 2), index: parseInt(bits.slice(18, 36), 2) } : null;
    };
    // What is sought may be there before it is drawn.
    const drawn = () =>
      new Promise((done) => {
        video.requestVideoFrameCallback(done);
        setTimeout(done, 5_000);
      });
    const show = async (time) => {
      const [sought, shown] = [once("seeked"), drawn()];
      video.currentTime = time;
      await sought;
      await shown;
      return stamp();
    };
    const loaded = once("loadeddata");
    video.src = source;
    await loaded;
    const { duration, videoWidth: width } = video;
    const first = await show(0);
    const middle = await show(duration / 2);
    const at = video.currentTime;
    // Pictures between the two, and how many there are to be; the numbers begin anew after five seconds.
    const turn = 5 * (first?.fps ?? 0);
    const passed = first && middle ? (middle.index - first.index + turn) % turn : null;
    const missed = passed === null ? null : passed - Math.round((at * first.fps) % turn);
    const ended = once("ended");
    await video.play();
    await ended;
    const { totalVideoFrames: frames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
    return { duration, width, at, first, middle, missed, frames, dropped, audioBytes: video.webkitAudioDecodedByteCount };
  }, `/${index}`).catch((error) => ({ error: String(error) }));
  // The first picture may stand a little behind the first sound.
  const good = seen.duration > 0.5 && Number.isFinite(seen.duration) && seen.width > 0 && seen.frames > 5
    && seen.audioBytes > 0 && Math.abs(seen.at - seen.duration / 2) < 0.2
    && seen.middle && seen.middle.index !== seen.first.index && Math.abs(seen.missed) <= 4;
  faults += good ? 0 : 1;
  console.log(`${good ? "ok" : "not ok"} - ${path.basename(file)} ${JSON.stringify(seen)}`);
}
await chromium.close();
server.close();
process.exit(faults === 0 ? 0 : 1);
