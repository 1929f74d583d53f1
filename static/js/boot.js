/**
 * Shows at once why there is no page when a module cannot be loaded; otherwise main.js replaces that text.
 * A classic script, not a module: browsers send an Origin header with modules only, and a proxy may break that.
 */
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.classList.add("failed");
  },
  { capture: true },
);
