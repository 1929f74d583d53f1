import assert from "node:assert/strict";
import { test } from "node:test";
import { languageOf } from "../../js/editor/language.js";

test("a script is written in what its first line names", () => {
  const named = {
    "echo 1": "shell",
    "#!/bin/sh -e": "shell",
    "#!/usr/bin/env bash": "shell",
    "#!/usr/bin/env -S zsh -f": "shell",
    "#!/usr/bin/python3\nprint(1)": "python",
    "#!/usr/bin/env python3.13": "python",
    "#!/usr/bin/perl": null,
    "#!/usr/bin/env": null,
  };
  for (const [script, language] of Object.entries(named)) assert.equal(languageOf(script), language, script);
});
