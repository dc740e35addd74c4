// Plays recordings in Chromium: each has a duration, can be sought in, shows pictures and makes sound.
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
    const loaded = once("loadedmetadata");
    video.src = source;
    await loaded;
    const { duration, videoWidth: width } = video;
    const sought = once("seeked");
    video.currentTime = duration / 2;
    await sought;
    const at = video.currentTime;
    const ended = once("ended");
    await video.play();
    await ended;
    const { totalVideoFrames: frames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
    return { duration, width, at, frames, dropped, audioBytes: video.webkitAudioDecodedByteCount };
  }, `/${index}`).catch((error) => ({ error: String(error) }));
  const good = seen.duration > 0.5 && Number.isFinite(seen.duration) && seen.width > 0 && seen.frames > 5
    && seen.audioBytes > 0 && Math.abs(seen.at - seen.duration / 2) < 0.2;
  faults += good ? 0 : 1;
  console.log(`${good ? "ok" : "not ok"} - ${path.basename(file)} ${JSON.stringify(seen)}`);
}
await chromium.close();
server.close();
process.exit(faults === 0 ? 0 : 1);
