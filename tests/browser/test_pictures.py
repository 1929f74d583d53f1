"""Every screen in its looks, as Axe sees it; with `--pictures` all are kept in tests/artifacts."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser.damage import damaged
from tests.browser.gate import Gate
from tests.browser.looks import Look, Looks, open_looks
from tests.browser.past import add_runs
from tests.browser.people import end_session, signed_in
from tests.browser.scripts import BACKUP, DEPLOY
from tests.support.browser import OpenTab
from tests.support.client import Client, Start
from tests.support.known_workers import add_worker, give_run
from tests.support.nats import Nats

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

OpenLooks = Callable[..., Awaitable[Looks]]


@pytest_asyncio.fixture(loop_scope="module")
async def looks_of(open_tab: OpenTab, request: pytest.FixtureRequest) -> AsyncIterator[OpenLooks]:
    """Open the page of a client in its looks; at the end nothing may be wrong with any."""
    kept = bool(request.config.getoption("--pictures"))
    wrong: list[str] = []

    async def looks_of(client: Client, session: str | None = None) -> Looks:
        return await open_looks(open_tab, client, wrong, kept=kept, session=session)

    yield looks_of
    assert not wrong, "\n".join(wrong)


def differing(look: Look, kind: str) -> Locator:
    """Find the lines that only one of two outputs has."""
    return look.tab.page.locator(f".difference__row--{kind}")


def times(look: Look) -> Locator:
    """Find the times beside the lines."""
    return look.tab.page.locator(".out-row__time")


async def add_target(look: Look) -> None:
    """Add a notification target that nothing listens at."""
    await look.field("field.name").fill(look.name)
    await look.field("targets.url").fill("http://127.0.0.1:9/hooks/tailrun")
    await look.button("targets.add").click()


async def try_target(look: Look) -> None:
    """Send a test, which is not delivered."""
    await look.button("targets.test-one", name=look.name).click()
    await expect(look.tab.page.locator(".target-row__trial").filter(has_text=":")).to_be_visible()


async def what_follows_is_well_made(client: Client, looks: Looks) -> None:
    """Look at a run that is tried again, at the attempt that waits, and at whom it is told of."""
    target = {"name": "ops chat", "url": "http://127.0.0.1:9/"}
    await client.call("POST", "notification-targets/", json=target, status=201)
    again = await client.create(
        "echo Fetching the rates; exit 75",
        name="Fetch rates",
        retries={"limit": 3, "delay_seconds": 4000},
    )
    first = again["run"]["id"]
    await looks.go(f"/runs/{first}", "attempts.stop")
    await looks.check("run-tried-again")
    [retry] = (await client.call("GET", f"runs/?retry_of={first}"))["items"]
    await looks.go(f"/runs/{retry['id']}", "attempts.of", attempt=2, most=4)
    await looks.check("run-due")
    notify = [{"target": "ops chat", "on": ["failed", "recovered"]}]
    told = await client.create("echo Fetching the names; exit 3", name="Names", notify=notify)
    await looks.go(f"/runs/{told['run']['id']}", "Names")
    await looks.each(lambda look: look.tab.page.locator(".told > summary").click())
    await looks.each(
        lambda look: expect(look.tab.page.locator(".told__error").first).to_be_visible()
    )
    await looks.check("run-told")
    await looks.go(f"/commands/{told['id']}/edit", "ends.notify")
    await looks.show("occasion.recovered")
    await looks.each(lambda look: look.field("ends.limit").fill("3"))
    await looks.show("ends.exit_codes")
    await looks.each(
        lambda look: look.tab.page.locator(".ends__target").last.scroll_into_view_if_needed()
    )
    await looks.check("form-ends")
    await looks.each(lambda look: look.tab.page.keyboard.press("Control+Enter"))
    await looks.show("Names")


async def test_every_screen_is_well_made(
    start: Start, looks_of: OpenLooks, gate: Gate, database_url: str
) -> None:
    client = await start()
    looks = await looks_of(client)
    await looks.show("commands.none")
    await looks.check("empty")
    await looks.press("page.shortcuts")
    await looks.show("key.enable")
    await looks.check("help")
    await looks.press("action.close")
    await looks.go("/runs", "runs.none")
    await looks.check("runs-empty")
    await looks.go("/nowhere", "missing.page")
    await looks.check("missing")
    await looks.go("/commands/new", "form.save-and-start")
    await looks.check("form")

    await client.create("true", name="Reindex search", start=False)
    await client.create("exit 0", name="Rotate keys", description="Every ninety days")
    backup = await client.create(BACKUP, name="Nightly backup", description="Dumps the orders")
    deploy = await client.create(
        f"{DEPLOY}\n{gate.wait}", name="Deploy shop-api", description="To production, with backfill"
    )
    add_runs(database_url, deploy["id"], 60)
    failed = backup["run"]["id"]
    await client.finished(failed)
    await looks.go("/", "Deploy shop-api")
    await looks.show("state.failed")
    await looks.check("busy")
    await looks.each(lambda look: look.button("commands.favourite-one", name="Rotate keys").click())
    await looks.go("/?state=running,failed,succeeded", "Deploy shop-api")
    await looks.check("commands-narrowed")
    await looks.go("/?state=lost", "commands.none-like-that")
    await looks.check("commands-none-like-that")
    await looks.go("/?q=nothing", "commands.not-found.about")
    await looks.check("not-found")
    await looks.go(f"/commands/{backup['id']}", "state.failed")
    await looks.check("command")
    await looks.go(f"/commands/{deploy['id']}", "strip.slow")
    await looks.check("command-strip")
    await looks.go("/runs", "Deploy shop-api")
    await looks.check("runs")
    await looks.each(lambda look: look.field("runs.choose", name="Rotate keys").check())
    await looks.check("runs-chosen")
    await looks.press("action.delete")
    await looks.show("runs.delete.about")
    await looks.check("runs-deleting")
    await looks.press("action.cancel")
    await looks.each(
        lambda look: look.tab.page.get_by_role("combobox", name=look.said("runs.command")).click()
    )
    await looks.each(
        lambda look: expect(look.tab.page.get_by_role("listbox")).to_contain_text("Reindex search")
    )
    await looks.check("runs-command")
    await looks.each(lambda look: look.tab.page.keyboard.press("Escape"))
    await looks.each(lambda look: look.field("runs.choose", name="Nightly backup").check())
    await looks.each(
        lambda look: look.tab.page.get_by_role("link", name=look.said("runs.compare")).click()
    )
    await looks.show("compare.whole")
    await looks.each(lambda look: expect(differing(look, "gone").last).to_be_visible())
    await looks.each(lambda look: expect(differing(look, "added").last).to_be_visible())
    await looks.check("compare")
    await looks.go(f"/compare/{failed}/nothing", "compare.missing.second")
    await looks.check("compare-missing")
    await looks.go(f"/runs/{failed}", "end.code", code=1)
    await looks.press("run.compare")
    await looks.show("run.compare.none")
    await looks.go("/runs?state=queued", "runs.not-found")
    await looks.check("runs-not-found")
    await looks.go(f"/runs/{failed}", "end.code", code=1)
    await looks.show("No space left")
    await looks.check("failed")
    await looks.each(lambda look: look.tab.page.keyboard.press("t"))
    await looks.each(lambda look: look.tab.page.keyboard.press("/"))
    await looks.each(lambda look: look.tab.page.keyboard.type("pg_dump"))
    await looks.show("find.only")
    await looks.each(lambda look: expect(look.tab.page.locator(".find__told")).to_contain_text("3"))
    await looks.check("found")
    await looks.press("find.only")
    await looks.each(lambda look: look.field("find.context").select_option("1"))
    await looks.show("Dumping orders")
    await looks.check("found-alone")
    await looks.each(lambda look: look.tab.page.keyboard.press("Escape"))
    await looks.each(lambda look: look.tab.page.keyboard.press("g"))
    await looks.show("output.go-to-line")
    await looks.check("go-to-line")
    await what_follows_is_well_made(client, looks)

    run = deploy["run"]["id"]
    await looks.go(f"/runs/{run}", "61%")
    await looks.check("running")
    await client.call("POST", f"runs/{run}/signal", json={"signal": "SIGSTOP"})
    await looks.show("state.paused")
    await looks.check("paused")
    await client.call("POST", f"runs/{run}/signal", json={"signal": "SIGCONT"})
    await looks.show("state.running")
    await client.service.kill()
    await looks.show("server.silent")
    await looks.check("reconnecting")


async def test_workers_are_well_made(
    start: Start, looks_of: OpenLooks, engine: Nats, database_url: str
) -> None:
    client = await start(nats_url=engine.url)
    looks = await looks_of(client)
    await looks.go("/workers", "workers.none")
    await looks.check("workers-empty")
    runs = {}
    for name, pool, requires in [
        ("Build the image", "build", []),
        ("Train the model", "build", ["gpu=a100"]),
        ("Write the docs", "docs", []),
        ("Sign the release", "release", []),
    ]:
        made = await client.create("true", name=name, pool=pool, requires=requires)
        runs[name] = made["run"]["id"]
    add_worker(database_url, "build-1.example.org", ["build", "docs"], ["arch=arm64", "disk=ssd"])
    add_worker(database_url, "build-2", state="draining")
    add_worker(database_url, "build-3", ["build", "release"], ["gpu=a100"], away=True)
    give_run(database_url, runs["Build the image"], "build-3")
    give_run(database_url, runs["Write the docs"], "build-1.example.org")
    await looks.show("workers.state.draining")
    await looks.show("a100")
    await looks.show("Write the docs")
    await looks.check("workers")
    await looks.press("workers.remove-one", name="build-3")
    await looks.show("workers.remove.about")
    await looks.check("workers-remove")
    await looks.press("action.cancel")
    await looks.press("workers.add")
    await looks.press("workers.make-token")
    await looks.show("workers.command.about")
    await looks.check("workers-command")
    await looks.go("/runs", "run.away.short")
    await looks.each(lambda look: look.tab.page.get_by_text(look.said("runs.filter.more")).click())
    await looks.show("runs.filter.host")
    await looks.check("runs-hosts")
    await looks.go(f"/runs/{runs['Build the image']}", "run.abandon")
    await looks.check("run-away")
    await looks.press("run.abandon")
    await looks.show("run.abandon.about")
    await looks.check("run-abandon")
    await looks.press("action.cancel")
    await looks.go("/commands/new", "definition.title")
    await looks.each(lambda look: look.tab.page.locator(".definition > summary").click())
    await looks.each(
        lambda look: look.field("definition.on_unreachable").scroll_into_view_if_needed()
    )
    await looks.check("form-pool")
    await looks.go("/workers", "workers.title")
    await engine.kill()
    await looks.show("workers.not-met")
    await looks.check("workers-not-met")
    await client.service.kill()
    await looks.show("server.silent")
    await looks.check("workers-away")


async def test_ten_million_lines_are_well_made(start: Start, looks_of: OpenLooks) -> None:
    client = await start()
    looks = await looks_of(client)
    run = (await client.create("seq 10000000", name="Count to ten million"))["run"]["id"]
    await client.finished(run)
    await looks.go(f"/runs/{run}", "10000000")
    await looks.check("ten-million-end")
    await looks.go(f"/runs/{run}?line=5000000-5000003", "5000003")
    await looks.each(
        lambda look: expect(look.tab.page.locator(".out-row--waiting")).to_have_count(0)
    )
    await looks.check("ten-million-middle")
    await looks.each(lambda look: look.tab.page.keyboard.press("t"))
    await looks.each(lambda look: expect(times(look).first).not_to_be_empty())
    await looks.check("ten-million-times")
    await looks.each(lambda look: look.tab.page.keyboard.press("/"))
    await looks.each(lambda look: look.tab.page.keyboard.type("777777"))
    await looks.show("find.only")
    await looks.each(
        lambda look: expect(look.tab.page.locator(".find__told")).to_contain_text("19")
    )
    await looks.check("ten-million-found")


async def test_a_command_at_a_glance_is_well_made(
    start: Start, looks_of: OpenLooks, database_url: str
) -> None:
    client = await start()
    looks = await looks_of(client)
    never = await client.create("true", name="Reindex search", start=False)
    backup = await client.create(BACKUP, name="Nightly backup", start=False)
    add_runs(database_url, backup["id"], 3)
    await looks.go(f"/commands/{never['id']}", "command.not-run")
    await looks.check("strip-none")
    await looks.go(f"/commands/{backup['id']}", "strip.slow")
    await looks.check("strip-few")
    run = await client.call("POST", f"commands/{backup['id']}/runs", json={}, status=201)
    await client.finished(run["id"])
    await looks.go(f"/commands/{backup['id']}/edit", "past-script.title")
    await looks.each(lambda look: expect(look.tab.page.locator(".cm-content")).to_be_visible())
    await looks.each(lambda look: look.field("field.script").fill("echo changed"))
    await looks.each(lambda look: look.tab.page.locator(".past-script summary").click())
    await looks.each(lambda look: expect(differing(look, "added").first).to_be_visible())
    await looks.each(lambda look: differing(look, "added").first.scroll_into_view_if_needed())
    await looks.check("past-script")
    await looks.go(f"/runs/{run['id']}", "end.code", code=1)
    await looks.press("action.delete")
    await looks.show("action.cancel")
    await looks.check("run-deleting")


async def test_what_goes_wrong_is_well_made(
    start: Start, looks_of: OpenLooks, database_url: str
) -> None:
    client = await start(max_viewers_per_run="1")
    looks = await looks_of(client)
    command = await client.create("echo started; exec sleep 1000", name="Guard the gate")
    run = command["run"]["id"]
    async with client.connect(run):
        await looks.go(f"/runs/{run}", "MAX_VIEWERS_PER_RUN")
        await looks.check("refused")

    edit = f"/commands/{command['id']}/edit"
    await looks.go(edit, "form.edit", name="Guard the gate")
    await looks.each(lambda look: expect(look.tab.page.locator(".cm-content")).to_be_visible())
    await looks.each(lambda look: look.field("field.script").fill("echo mine\nexec sleep 2000"))
    theirs = {"name": "Guard both gates", "description": None, "script": "echo theirs"}
    await client.call("PUT", f"commands/{command['id']}", json=theirs)
    await looks.press("form.save")
    await looks.show("conflict.mine")
    await looks.each(lambda look: expect(differing(look, "gone")).to_be_visible())
    await looks.check("conflict")
    await looks.press("form.keep-editing")
    await looks.press("action.cancel")
    await looks.show("form.leave.about")
    await looks.check("leaving")
    await looks.press("form.keep-editing")
    await looks.go("/runs", "runs.state")
    await looks.go(edit, "form.restored")
    await looks.check("draft")

    await looks.go("/", "Guard both gates")
    await looks.each(lambda look: look.tab.page.context.set_offline(True))
    await looks.show("server.offline")
    await looks.check("offline")
    await looks.each(lambda look: look.tab.page.context.set_offline(False))
    await looks.each(
        lambda look: look.tab.page.route("**/main.js", lambda route: route.fulfill(status=403))
    )
    await looks.each(lambda look: look.tab.page.reload())
    await looks.show("proxy_set_header Host $http_host;")
    await looks.check("not-started")
    await client.stop(run)

    await looks.each(lambda look: look.tab.page.unroute("**/main.js"))
    await looks.each(lambda look: look.tab.page.reload())
    run = await damaged(client, "echo started", database_url)
    await looks.go(f"/runs/{run}", "sign.told.no-further")
    await looks.check("damaged")


async def test_who_may_do_what_is_well_made(
    start: Start, looks_of: OpenLooks, database_url: str
) -> None:
    client = await start(auth="required")
    looks = await looks_of(client)
    await looks.show("tailrun sign-in")
    await looks.check("signed-out")

    alice = signed_in(database_url, "oidc:alice@example.com", {"*": "admin"})
    looks = await looks_of(client, alice)
    await looks.go("/grants", "oidc:alice@example.com")
    await looks.press("grants.new")
    await looks.check("grant-form")
    await looks.go("/account", "tokens.none")
    await looks.check("account")
    await looks.press("tokens.new")
    await looks.check("token-form")
    await looks.each(lambda look: look.field("field.name").fill("nightly build"))
    await looks.press("tokens.create")
    await looks.show("secret.copy-now")
    await looks.check("token-made")
    await looks.go("/tokens", "nightly build")
    await looks.check("tokens")
    await looks.go("/targets", "targets.none.about")
    await looks.check("targets-empty")
    await looks.press("targets.new")
    await looks.check("target-form")
    await looks.each(add_target)
    await looks.show("secret.copy-now")
    await looks.check("target-made")
    await looks.press("action.done")
    await looks.each(try_target)
    await looks.check("targets")
    await looks.go("/audit", "act.token.create")
    await looks.check("audit")
    await looks.go("/audit?principal=oidc:nobody", "audit.none")
    await looks.check("audit-empty")
    await looks.go("/commands/new", "form.save-and-start")
    await end_session(client, alice)
    await looks.press("form.save-only")
    await looks.show("session.ended")
    await looks.check("session-ended")

    bob = signed_in(database_url, "oidc:bob", {"docs": "viewer"})
    looks = await looks_of(client, bob)
    await looks.go("/audit", "not-permitted")
    await looks.check("not-permitted")
    await looks.go("/", "commands.none-for-you")
    await looks.check("nothing-for-you")


async def test_parameters_are_well_made(client: Client, looks_of: OpenLooks) -> None:
    parameters = [
        {"name": "DAY", "type": "choice", "choices": ["mon", "tue"], "required": True},
        {"name": "COUNT", "type": "integer", "min": 1, "max": 9, "description": "How many."},
        {"name": "NOTES", "type": "text", "placeholder": "Anything to remember"},
        {"name": "TOKEN", "type": "secret", "pattern": "[a-z]+"},
        {"name": "DRY", "type": "boolean"},
        {"name": "SINCE", "type": "date"},
    ]
    said = {"parameters": parameters, "environment": {"LANG": "C.UTF-8"}, "timeout_seconds": 60}
    command = await client.create('echo "$DAY"', name="Asks", start=False, **said)
    values = {"DAY": "mon", "NOTES": "a long note " * 30, "DRY": True}
    path = f"commands/{command['id']}/runs"
    run = await client.call("POST", path, json={"parameters": values})
    await client.finished(run["id"])
    looks = await looks_of(client)
    await looks.go(f"/runs/{run['id']}", "run.again")
    await looks.check("values-of-a-run")
    await looks.go(f"/commands/{command['id']}", "command.runs")
    await looks.press("command.start")
    await looks.each(lambda look: look.tab.page.get_by_role("dialog").wait_for())
    await looks.check("values")
    await looks.each(lambda look: look.tab.page.keyboard.press("Escape"))
    await looks.go(f"/commands/{command['id']}/edit", "parameters.about")
    await looks.check("parameters")


async def test_a_run_without_a_word_is_well_made(start: Start, looks_of: OpenLooks) -> None:
    client = await start()
    looks = await looks_of(client)
    run = (await client.create("echo started; exec sleep 1000", name="Guard the gate"))["run"]["id"]
    await looks.go(f"/runs/{run}", "started")
    os.kill(client.service.pid, signal.SIGSTOP)
    try:
        await looks.show("server.silent")
        await looks.check("silent")
    finally:
        os.kill(client.service.pid, signal.SIGCONT)


async def test_schedules_are_well_made(start: Start, looks_of: OpenLooks) -> None:
    client = await start()
    looks = await looks_of(client)
    await looks.go("/schedules", "schedules.none")
    await looks.check("schedules-empty")
    day = {"name": "DAY", "type": "choice", "choices": ["mon", "tue"]}
    backup = await client.create("true", name="Nightly backup", start=False, parameters=[day])
    often = await client.create("sleep 1000", name="Watch the disks", start=False)
    for command, cron, spread in [
        (backup, "30 2 * * *", 60),
        (backup, "0 */6 * * *", 0),
        (often, "* * * * * *", 0),
    ]:
        body = {"cron": cron, "time_zone": "Europe/Berlin", "jitter_seconds": spread}
        path = f"commands/{command['id']}/schedules"
        made = await client.call("POST", path, json=body)
    await looks.go("/schedules", "Nightly backup")
    await looks.check("schedules")
    await looks.go(f"/schedules/{made['id']}", "fire.started")
    await looks.show("fire.skipped_overlap")
    await client.call("POST", f"commands/{often['id']}/pause", json={"note": "The disks are moved"})
    await looks.show("fire.paused")
    await looks.check("schedule")
    await looks.go(f"/commands/{often['id']}", "The disks are moved")
    await looks.check("command-paused")
    await looks.go(f"/commands/{backup['id']}", "schedule.why")
    await looks.check("command-schedules")
    await looks.press("schedule.new")
    await looks.each(lambda look: look.field("schedule.cron").fill("30 2 * * *"))
    await looks.each(lambda look: look.field("schedule.zone").fill("Europe/Berlin"))
    await looks.each(
        lambda look: expect(look.tab.page.locator(".preview .warning")).to_have_count(2)
    )
    await looks.check("schedule-form")
    await looks.press("action.cancel")
    await looks.press("pause.pause")
    await looks.show("pause.about")
    await looks.check("pause")


async def test_hooks_are_well_made(start: Start, looks_of: OpenLooks) -> None:
    client = await start()
    looks = await looks_of(client)
    deploy = await client.create(
        'deploy "$BRANCH"', name="Deploy", start=False, parameters=[{"name": "BRANCH"}]
    )
    path = f"commands/{deploy['id']}"
    pointers = {"BRANCH": "/ref"}
    for name, scheme, events in [
        ("Push to the website", "github", ["push", "workflow_run"]),
        ("Any payment", "standard", []),
    ]:
        body = {"name": name, "scheme": scheme, "events": events, "parameters": pointers}
        await client.call("POST", f"{path}/hooks", json=body)
    await looks.go(f"/{path}", "hooks.title")
    await looks.each(lambda look: look.tab.page.locator(".hooks > summary").click())
    await looks.show("Push to the website")
    await looks.check("hooks")
    await looks.press("hook.new")
    await looks.show("hook.pointers")
    await looks.check("hook-form")
    await looks.each(lambda look: look.field("field.name").fill("Tags"))
    await looks.press("hook.add")
    await looks.show("secret.copy-now")
    await looks.check("hook-made")
