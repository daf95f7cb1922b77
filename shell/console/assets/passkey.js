// Asks the browser for a passkey: to come in, or to add one. The pages work without it. Nothing is drawn but plain text.
"use strict";
(() => {
  if (!window.PublicKeyCredential) return;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  async function post(url, body) {
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), cache: "no-store" });
    const told = (answer.headers.get("content-type") || "").startsWith("application/json") ? await answer.json() : {};
    if (!answer.ok) throw new Error(told.error || "refused");
    return told;
  }

  async function enter(place, csrf) {
    const asked = await post(place.dataset.ask, { csrf });
    const found = await navigator.credentials.get({ publicKey: { ...asked, challenge: bytes(asked.challenge) } });
    const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
    const answer = {
      id: text(found.rawId), client_data: text(clientDataJSON), authenticator_data: text(authenticatorData),
      signature: text(signature), user_handle: userHandle ? text(userHandle) : "",
    };
    location.assign((await post(place.dataset.send, { csrf, answer })).next);
  }

  async function add(place, csrf) {
    const asked = await post(place.dataset.ask, { csrf });
    const publicKey = {
      ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) },
      excludeCredentials: asked.excludeCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
    };
    const made = await navigator.credentials.create({ publicKey });
    const answer = {
      client_data: text(made.response.clientDataJSON), attestation: text(made.response.attestationObject),
      label: document.getElementById("passkey-label").value.trim() || "passkey",
    };
    await post(place.dataset.send, { csrf, answer });
    location.reload();
  }

  for (const [id, work] of [["passkey-enter", enter], ["passkey-add", add]]) {
    const place = document.getElementById(id);
    if (!place) continue;
    const button = place.querySelector("button"), told = place.querySelector("[role=alert]");
    place.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      told.textContent = "";
      try {
        await work(place, document.querySelector("input[name=csrf]").value);
      } catch (error) {
        told.textContent = error.name === "NotAllowedError" ? "Nothing was chosen, or it took too long." : error.message;
      } finally {
        button.disabled = false;
      }
    });
  }
})();
