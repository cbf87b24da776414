// Preloaded into Azurite (NODE_OPTIONS=--require). Azurite keeps what it knows of blobs and table rows in memory and
// writes it every 5 s: killed in between, it forgets what it has acknowledged. With this, a request that changes
// something is answered after the change is on disk. A store so large that writing it takes long is written once a
// second instead.
"use strict";

const http = require("node:http");
const Module = require("node:module");
const { performance } = require("node:perf_hooks");

const QUICK_MILLISECONDS = 50;
const INTERVAL_MILLISECONDS = 1000;
const READS = new Set(["GET", "HEAD", "OPTIONS"]);

const stores = new Map(); // Loki database → milliseconds that its last write kept this process busy

function durable(Loki) {
  const { autosaveEnable, saveDatabaseInternal } = Loki.prototype;
  Loki.prototype.autosaveEnable = function (...args) {
    stores.set(this, 0);
    this.autosaveInterval = INTERVAL_MILLISECONDS;
    return autosaveEnable.apply(this, args);
  };
  Loki.prototype.saveDatabaseInternal = function (...args) {
    const started = performance.now();
    const result = saveDatabaseInternal.apply(this, args);
    if (stores.has(this)) stores.set(this, performance.now() - started);
    return result;
  };
}

function saved() {
  const waiting = [];
  for (const [store, milliseconds] of stores) {
    const unsaved = store.throttledSavePending || store.autosaveDirty();
    if (unsaved && milliseconds < QUICK_MILLISECONDS) {
      waiting.push(new Promise((resolve, reject) => store.saveDatabase((error) => (error ? reject(error) : resolve()))));
    }
  }
  return waiting.length ? Promise.all(waiting) : undefined;
}

const end = http.ServerResponse.prototype.end;
http.ServerResponse.prototype.end = function (...args) {
  const pending = READS.has(this.req.method) ? undefined : saved();
  if (!pending) return end.apply(this, args);
  pending.then(
    () => end.apply(this, args),
    (error) => this.destroy(error), // what is not on disk is not acknowledged
  );
  return this;
};

const load = Module._load;
let patched = false;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request === "lokijs" && !patched) {
    patched = true;
    durable(loaded);
  }
  return loaded;
};
