// Reads the Pipeline page's live part again every two seconds. The page works without it. The answer is parsed by the browser as an
// inert document (no innerHTML, so trusted types hold); nothing is swapped while nothing changed, so focus and selection stay.
"use strict";
(() => {
  const PERIOD_MS = 2000, TIMEOUT_MS = 8000, FAILURES_MAX = 5;
  const first = document.getElementById("live");
  if (!first) return;
  const url = first.dataset.fragment;
  let paused = false, failures = 0, timer = 0, going = false;

  const bar = document.createElement("p"), button = document.createElement("button"), told = document.createElement("span");
  bar.className = "meta live-bar";
  button.type = "button";
  button.className = "quiet";
  told.setAttribute("role", "status");
  bar.append(button, told);
  first.before(bar);

  const say = (words) => { if (told.textContent !== words) told.textContent = words; };
  const plan = (delay) => { clearTimeout(timer); if (!paused && !document.hidden) timer = setTimeout(ask, delay); };
  const show = () => { button.textContent = paused ? "Resume live updates" : "Pause live updates"; say(paused ? "paused" : "live"); };

  function swap(next) {
    const now = document.getElementById("live");
    if (!next || !now || next.isEqualNode(now)) return;
    const held = now.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const fresh = document.adoptNode(next);
    now.replaceWith(fresh);
    if (held) for (const link of fresh.querySelectorAll("a")) {
      if (link.getAttribute("href") === held && link.getClientRects().length) { link.focus({ preventScroll: true }); break; }
    }
  }

  function ask() {
    if (going) return;
    going = true;
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = TIMEOUT_MS;
    request.onloadend = () => {
      going = false;
      const next = request.status === 200 && request.responseXML ? request.responseXML.getElementById("live") : null;
      if (next) { failures = 0; if (!paused) { swap(next); say("live"); } return plan(PERIOD_MS); }
      failures += 1;
      if (failures >= FAILURES_MAX || request.status === 401 || request.status === 403) {
        paused = true; show(); return say("stopped: load the page again");
      }
      say("no answer, trying again");
      plan(PERIOD_MS * 2 ** failures);
    };
    request.send();
  }

  button.addEventListener("click", () => { paused = !paused; failures = 0; show(); plan(0); });
  document.addEventListener("visibilitychange", () => plan(0));
  show();
  plan(PERIOD_MS);
})();
