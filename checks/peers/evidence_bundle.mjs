// Judges a bundle with Sigstore's own JavaScript verifier: key named by the hint, no transparency-log threshold (T4).
//
// usage: node evidence_bundle.mjs FOLDER MODULES, with FOLDER made by `cargo run -p store --example make_log -- FOLDER` and
// MODULES a node_modules folder with @sigstore/verify 3.1.1 (version 4 needs Node 22) and the @sigstore/bundle beside it
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createPublicKey } from "node:crypto";
import { resolve } from "node:path";

const [folder, modules] = process.argv.slice(2);
const require = createRequire(resolve(modules, "x.js"));
const { bundleFromJSON } = require("@sigstore/bundle");
const { toSignedEntity, Verifier } = require("@sigstore/verify");

const pem = readFileSync(`${folder}/bundle-key.pem`, "utf8");
const thresholds = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };

function verify(json, wanted = json.verificationMaterial.publicKey.hint) {
  const publicKey = (hint) => {
    if (hint !== wanted) throw new Error(`unknown key ${hint}`);
    return { publicKey: createPublicKey(pem), validFor: () => true };
  };
  const trust = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [], publicKey };
  new Verifier(trust, thresholds).verify(toSignedEntity(bundleFromJSON(json)));
}

function refuses(what, change, wanted) {
  const changed = structuredClone(bundle);
  change(changed);
  try {
    verify(changed, wanted);
  } catch {
    console.log(`@sigstore/verify refuses ${what}`);
    return;
  }
  console.error(`refused: ${what} was accepted`);
  process.exit(1);
}

const bundle = JSON.parse(readFileSync(`${folder}/bundle.sigstore.json`, "utf8"));
verify(bundle);
console.log("@sigstore/verify accepts the bundle");
refuses("a changed payload", (changed) => {
  const payload = Buffer.from(changed.dsseEnvelope.payload, "base64");
  payload[20] ^= 1;
  changed.dsseEnvelope.payload = payload.toString("base64");
});
refuses("a changed payload type", (changed) => {
  changed.dsseEnvelope.payloadType = "application/json";
});
refuses("another key's name", (changed) => {
  changed.verificationMaterial.publicKey.hint = "0".repeat(64);
}, bundle.verificationMaterial.publicKey.hint);
