"use strict";
(() => {
  const tabs = Array.from(document.querySelectorAll("#flyte-frame-tabs > li"));
  const panels = Array.from(document.querySelectorAll("#flyte-frame-container > [role=tabpanel]"));

  const fit = (frame) => {
    const inner = frame.contentDocument;
    if (inner && inner.documentElement && frame.offsetParent) {
      frame.style.height = inner.documentElement.scrollHeight + 2 + "px";
    }
  };

  window.handleLinkClick = (chosen) => {
    tabs.forEach((tab, index) => {
      const active = tab === chosen;
      tab.classList.toggle("active", active);
      tab.setAttribute("aria-selected", String(active));
      tab.tabIndex = active ? 0 : -1;
      panels[index].classList.toggle("active", active);
    });
    chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    // Charts and frames could not measure themselves while they were hidden.
    window.dispatchEvent(new Event("resize"));
    document.querySelectorAll("iframe.hp-frame:not(.hp-frame-live)").forEach(fit);
  };

  document.getElementById("flyte-frame-tabs").addEventListener("keydown", (event) => {
    const here = tabs.indexOf(document.activeElement);
    const last = tabs.length - 1;
    const goal = {
      ArrowRight: here === last ? 0 : here + 1,
      ArrowLeft: here === 0 ? last : here - 1,
      Home: 0,
      End: last,
      Enter: here,
      " ": here,
    }[event.key];
    if (here === -1 || goal === undefined) return;
    event.preventDefault();
    window.handleLinkClick(tabs[goal]);
    tabs[goal].focus();
  });

  document.querySelectorAll("iframe.hp-frame:not(.hp-frame-live)").forEach((frame) => {
    frame.addEventListener("load", () => fit(frame));
    fit(frame);
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-hp-copy]");
    if (!button) return;
    const source = button.parentElement.querySelector("pre");
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // A page in a sandbox may not write to the clipboard; leave the text selected instead.
      const folded = source.closest("details");
      if (folded) folded.open = true;
      window.getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
})();
