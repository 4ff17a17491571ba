// Answers /save/<token>/<name>, and nothing else. It keeps nothing: the tab that made the token gives the file, so it
// may be stopped and started at any time, and only the tab that owns a transfer can answer for it.
"use strict";

const ANSWER_WITHIN_MS = 10000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const save = /^\/save\/([0-9a-f]{32})\//.exec(url.pathname);
  if (save && url.origin === self.location.origin) event.respondWith(answer(event.request, save[1]));
});

async function answer(request, token) {
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(405);
  const owned = await owner(token);
  return owned ? whole(request, token, owned) : refuse(404);
}

// Asks every tab; the one that owns the token answers with the file and its name.
async function owner(token) {
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return new Promise((resolve) => {
    setTimeout(resolve, ANSWER_WITHIN_MS, null);
    let silent = tabs.length;
    if (silent === 0) resolve(null);
    for (const tab of tabs) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        port1.close();
        silent -= 1;
        if (data.file) resolve(data);
        else if (silent === 0) resolve(null);
      };
      tab.postMessage({ save: token }, [port2]);
    }
  });
}

function whole(request, token, { file, name }) {
  const headers = new Headers({
    "Content-Type": "application/octet-stream",
    "Content-Disposition": disposition(name),
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Accept-Ranges": "bytes",
    ETag: `"${token}"`,
  });
  const condition = request.headers.get("If-Range");
  const wanted = condition && condition !== `"${token}"` ? null : request.headers.get("Range");
  const range = wanted && one(wanted, file.size);
  if (range === "none") {
    headers.set("Content-Range", `bytes */${file.size}`);
    return new Response(null, { status: 416, headers });
  }
  const [first, end] = range || [0, file.size];
  if (range) headers.set("Content-Range", `bytes ${first}-${end - 1}/${file.size}`);
  // The exact length: a body that ends early, because the file was removed meanwhile, shows as a failed download.
  headers.set("Content-Length", String(end - first));
  const body = request.method === "HEAD" ? null : file.slice(first, end);
  return new Response(body, { status: range ? 206 : 200, headers });
}

// [first, end) of a single range, "none" where it lies outside, null where the header asks for what we answer whole.
function one(header, size) {
  const range = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!range || (range[1] === "" && range[2] === "")) return null;
  if (range[1] === "") return range[2] === "0" || size === 0 ? "none" : [Math.max(0, size - Number(range[2])), size];
  const first = Number(range[1]);
  const end = range[2] === "" ? size : Math.min(size, Number(range[2]) + 1);
  if (first >= size) return "none";
  return first < end ? [first, end] : null;
}

// RFC 6266: an ASCII name for the old, RFC 5987 for the rest.
function disposition(name) {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const coded = encodeURIComponent(name).replace(/['()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
  return `attachment; filename="${plain}"; filename*=UTF-8''${coded}`;
}

function refuse(status) {
  return new Response(null, { status, headers: { "Content-Security-Policy": "sandbox; default-src 'none'" } });
}
