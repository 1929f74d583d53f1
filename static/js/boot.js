/**
 * Shows at once why there is no page, where its modules cannot be loaded; main.js takes the place of that text else.
 * A script of its own, and none of the modules: browsers send an Origin with those alone, which a proxy may spoil.
 */
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.classList.add("failed");
  },
  { capture: true },
);
