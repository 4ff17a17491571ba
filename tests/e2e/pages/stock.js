// Stock WebTorrent with hooks for the tests. Nothing of it is patched but, where asked for, its store.
import WebTorrent from "/webtorrent.min.js";

const client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } });
client.on("error", (error) => console.error("webtorrent", error));

let torrent;
let added;
let metadata;
let firstByte;
let done;

/** A chunk store that keeps what it is given and gives it back with one wrong byte. */
class CorruptStore {
  constructor(chunkLength) {
    this.chunkLength = chunkLength;
    this.chunks = [];
  }
  put(index, bytes, callback = () => {}) {
    this.chunks[index] = new Uint8Array(bytes);
    queueMicrotask(() => callback(null));
  }
  get(index, options, callback) {
    if (typeof options === "function") [callback, options] = [options, {}];
    const chunk = this.chunks[index];
    if (!chunk) return queueMicrotask(() => callback(new Error("chunk not found")));
    const offset = options?.offset ?? 0;
    const length = options?.length ?? chunk.length - offset;
    const bytes = chunk.slice(offset, offset + length);
    bytes[bytes.length >> 1] ^= 0xff;
    queueMicrotask(() => callback(null, bytes));
  }
  close(callback = () => {}) {
    queueMicrotask(() => callback(null));
  }
  destroy(callback = () => {}) {
    queueMicrotask(() => callback(null));
  }
}

function watch(started) {
  torrent = started;
  torrent.on("error", (error) => console.error("torrent", error));
  torrent.on("warning", (warning) => console.warn("torrent", warning));
  torrent.on("metadata", () => {
    metadata ??= performance.now();
  });
  torrent.on("download", () => {
    firstByte ??= performance.now();
  });
  torrent.on("done", () => {
    done ??= performance.now();
  });
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

window.stock = {
  seed({ name, announce, corrupt }) {
    const { files } = document.querySelector("#files");
    const options = { name, announce };
    if (corrupt) options.store = CorruptStore;
    return new Promise((resolve, reject) => {
      client.once("error", reject);
      client.seed([...files], options, (seeding) => {
        watch(seeding);
        resolve(seeding.magnetURI);
      });
    });
  },
  download(magnet, announce) {
    added = performance.now();
    watch(client.add(magnet, { announce }));
    return true;
  },
  state() {
    if (!torrent) return { done: false, progress: 0, received: 0, uploaded: 0, peers: 0 };
    return {
      done: torrent.done,
      progress: torrent.progress,
      received: torrent.received,
      uploaded: torrent.uploaded,
      peers: torrent.numPeers,
      transferMs: done && metadata ? done - metadata : null,
      firstByteMs: done && firstByte ? done - firstByte : null,
      totalMs: done && added ? done - added : null,
    };
  },
  async hashes() {
    const result = [];
    for (const file of torrent.files) {
      const bytes = await file.arrayBuffer();
      result.push({ path: file.path, sha256: hex(await crypto.subtle.digest("SHA-256", bytes)) });
    }
    return result;
  },
};
