// Proves that the harness sees what it claims to see. On the page, and in a worker that the page starts.
fetch("http://stranger.invalid/").catch(() => {});
if (typeof document !== "undefined") new Worker("/misbehaves.js");
throw new Error(typeof document === "undefined" ? "thrown in a worker" : "thrown on a page");
