"use strict";
// Keeps the page as the daemon would write it now. Without it the page is loaded again
// every minute.
(() => {
  const patience = 30000;
  const announcement = document.getElementById("announcement");
  let loading = false;
  let again = false;

  const say = (state) => {
    announcement.textContent = "The status is now: " + state;
  };

  // lost: what stands here may not be so any more, and must not look as if it were.
  const lost = () => {
    const banner = document.getElementById("state");
    if (banner.dataset.state === "lost") return;
    banner.dataset.state = "lost";
    banner.className = "banner plain";
    banner.querySelector("h2").textContent = "unknown";
    banner.querySelector("p").textContent = "The daemon does not answer. What stands below is what it said last.";
    document.title = "unknown – openim-dr";
    say("unknown");
  };

  // take puts what is new in the place of what was there, and leaves alone what the
  // reader is in.
  const take = (page) => {
    const before = document.getElementById("state").dataset.state;
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = page.getElementById(old.id);
      if (!now || old.contains(document.activeElement)) continue;
      const open = [...old.querySelectorAll("details")].map((d) => d.open);
      if (old.innerHTML === now.innerHTML && old.className === now.className) continue;
      old.className = now.className;
      old.dataset.state = now.dataset.state ?? "";
      old.replaceChildren(...now.childNodes);
      old.querySelectorAll("details").forEach((d, i) => { d.open = open[i] ?? false; });
    }
    document.title = page.title;
    const state = document.getElementById("state").dataset.state;
    if (state !== before) say(state);
  };

  const refresh = async () => {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    do {
      again = false;
      try {
        const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(patience) });
        if (!answer.ok) throw new Error(answer.statusText);
        take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        lost();
      }
    } while (again);
    loading = false;
  };

  const listen = () => {
    const events = new EventSource("api/v1/events");
    for (const name of ["status", "run", "progress"]) events.addEventListener(name, refresh);
    events.addEventListener("error", () => {
      if (events.readyState !== EventSource.CLOSED) {
        lost();
        return;
      }
      refresh(); // there are too many listeners, or nobody answers
      setTimeout(listen, patience);
    });
  };
  listen();
})();
