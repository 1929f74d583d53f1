"""What the handlers find in the application."""

from aiohttp import web

from server.handlers.http.gate import Gates
from server.handlers.http.viewers import Viewers
from server.services.commands import CommandService
from server.services.metrics import Metrics
from server.services.readiness import Readiness
from server.services.runs import RunService
from server.services.watching import Watching
from server.settings.groups import HttpSettings

HTTP = web.AppKey("http", HttpSettings)
COMMANDS = web.AppKey("commands", CommandService)
RUNS = web.AppKey("runs", RunService)
WATCHING = web.AppKey("watching", Watching)
VIEWERS = web.AppKey("viewers", Viewers)
METRICS = web.AppKey("metrics", Metrics)
GATES = web.AppKey("gates", Gates)
READINESS = web.AppKey("readiness", Readiness)
