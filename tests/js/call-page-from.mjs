// The call page from a folder, before a server that has another one: for whoever works on the page.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import path from "node:path";

const TYPES = { ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

/** Serves the files with the headers that the server gives its own; gives the address. Signaling goes to the server. */
export async function serve(folder, server) {
  const { etag: _, "content-length": _length, ...headers } = Object.fromEntries((await fetch(server)).headers);
  const front = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, server);
    const name = pathname.startsWith("/assets/") ? path.basename(pathname) : "index.html";
    const body = await readFile(path.join(folder, name)).catch(() => null);
    if (body === null) return response.writeHead(404).end();
    return response.writeHead(200, { ...headers, "content-type": TYPES[path.extname(name)] ?? headers["content-type"] }).end(body);
  });
  front.on("upgrade", (request, socket, head) => {
    const { hostname, port } = new URL(server);
    const behind = connect(Number(port), hostname, () => {
      const lines = [];
      for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
      behind.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      behind.write(head);
      behind.pipe(socket).pipe(behind);
    });
    for (const end of [behind, socket]) end.on("error", () => [behind, socket].forEach((each) => each.destroy()));
  });
  await new Promise((done) => front.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${front.address().port}`;
}
