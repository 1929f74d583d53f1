/** Who may do what: the page offers no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { givenRoles, groupsWith, may, mayCreate, mayGovern, roleIn, rolesUpTo } from "../../js/model/access.js";

const who = (role, roles) => ({ principal: "local:alice", known_by: "session", role, roles });

test("each role has those below it", () => {
  assert.deepEqual(rolesUpTo("editor"), ["viewer", "operator", "editor"]);
});

test("the role in a group is the higher of its own and the one in every group", () => {
  const both = who("operator", { "*": "operator", deploy: "editor", docs: "viewer" });
  assert.deepEqual(["deploy", "docs", "other", "*"].map((group) => roleIn(both, group)), [
    "editor",
    "operator",
    "operator",
    "operator",
  ]);
  assert.equal(roleIn(who(null, {}), "deploy"), null);
});

test("every group is told first, and once", () => {
  assert.deepEqual(givenRoles(who("viewer", { b: "editor", "*": "viewer", a: "admin" })), [
    ["*", "viewer"],
    ["a", "admin"],
    ["b", "editor"],
  ]);
});

test("groups in which something may be done are named, unless it is every one", () => {
  const alice = who("viewer", { "*": "viewer", a: "editor", b: "operator", c: "admin" });
  assert.deepEqual(groupsWith(alice, "editor"), ["a", "c"]);
  assert.equal(groupsWith(alice, "viewer"), null);
  assert.equal(groupsWith(null, "admin"), null);
});

test("commands are created by whoever edits somewhere, and governed by an admin of every group", () => {
  const cases = [who("admin", {}), who(null, { a: "admin" }), who(null, { a: "editor" }), who("operator", {}), who(null, {})];
  assert.deepEqual(cases.map(mayCreate), [true, true, true, false, false]);
  assert.deepEqual(cases.map(mayGovern), [true, false, false, false, false]);
});

test("where the server does not say what one may, everything is offered but what governs", () => {
  assert.deepEqual([may({}, "edit"), mayCreate(null), mayGovern(null)], [true, true, false]);
  assert.deepEqual([may({ may: ["see"] }, "see"), may({ may: ["see"] }, "operate")], [true, false]);
});
