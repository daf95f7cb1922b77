// OpenPGP.js makes keys of version 4 and 6 (RFC 9580) and signs; our reader must accept it, and refuse what was changed (T1).
//
// usage: node provenance_openpgp.mjs VERIFY_WITH FOLDER MODULES: the built example of engines/provenance, a folder to work in, and a
// node_modules folder with openpgp 6.3.2
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [program, folder, modules] = process.argv.slice(2);
const openpgp = createRequire(resolve(modules, "x.js"))("openpgp");
mkdirSync(folder, { recursive: true });
const path = (name) => resolve(folder, name);
const NOW = Math.floor(Date.now() / 1000);
let asked = 0;

function judge(wanted, ...words) {
  const done = spawnSync(resolve(program), words.map(String), { encoding: "utf8" });
  asked += 1;
  if (!done.stdout.startsWith(wanted)) throw new Error(`${words}: ${done.stdout}${done.stderr}, not ${wanted}`);
}

const message = Buffer.from("week,price\n1,45\n");
writeFileSync(path("message"), message);
writeFileSync(path("other"), "week,price\n1,46\n");
// Made anew for each key: OpenPGP.js writes into them.
const subkeys = () => [{ sign: true }, { sign: false }];
const kinds = [
  ["v6-ed25519", { type: "curve25519" }, true],
  ["v6-subkey", { type: "curve25519", subkeys: subkeys() }, true],
  ["v6-rsa", { type: "rsa", rsaBits: 2048 }, true],
  ["v4-ed25519", { type: "ecc", curve: "ed25519Legacy" }, false],
  ["v4-new-ed25519", { type: "curve25519" }, false],
  ["v4-p256-subkey", { type: "ecc", curve: "nistP256", subkeys: subkeys() }, false],
];
const day = 86_400_000;
for (const [name, options, v6Keys] of kinds) {
  const config = { v6Keys };
  const made = { ...options, userIDs: [{ name }], date: new Date(Date.now() - 30 * day), keyExpirationTime: 60 * 86_400, config };
  const { privateKey, publicKey } = await openpgp.generateKey({ ...made, format: "object" });
  writeFileSync(path(`${name}.pub`), publicKey.armor());
  const signing = { message: await openpgp.createMessage({ binary: message }), signingKeys: privateKey, detached: true, config };
  writeFileSync(path(`${name}.asc`), await openpgp.sign(signing));
  writeFileSync(path(`${name}.sig`), await openpgp.sign({ ...signing, format: "binary" }));
  for (const form of ["asc", "sig"]) {
    judge("accepted: ", "openpgp", path(`${name}.pub`), path(`${name}.${form}`), path("message"), NOW);
    judge("refused: the signature does not hold", "openpgp", path(`${name}.pub`), path(`${name}.${form}`), path("other"), NOW);
    judge("refused: key", "openpgp", path(`${name}.pub`), path(`${name}.${form}`), path("message"), NOW + 40 * 86_400);
  }
  const { publicKey: revoked } = await openpgp.revokeKey({ key: privateKey, format: "object" });
  writeFileSync(path(`${name}-revoked.pub`), revoked.armor());
  judge("refused: key", "openpgp", path(`${name}-revoked.pub`), path(`${name}.asc`), path("message"), NOW);
}
// Its text signatures depend on line ends: we refuse them.
const { privateKey, publicKey } = await openpgp.generateKey({ type: "curve25519", userIDs: [{ name: "text" }], format: "object" });
writeFileSync(path("text.pub"), publicKey.armor());
const text = { message: await openpgp.createMessage({ text: message.toString() }), signingKeys: privateKey, detached: true };
writeFileSync(path("text.asc"), await openpgp.sign(text));
judge("refused: the OpenPGP signature uses `signature type 0x01`", "openpgp", path("text.pub"), path("text.asc"), path("message"), NOW);
console.log(`${kinds.length} kinds of keys, ${asked} questions`);
