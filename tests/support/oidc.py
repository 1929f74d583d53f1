"""A provider of OpenID Connect on loopback, which can be told to answer wrongly."""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import BasicAuth, web
from joserfc import jwt
from joserfc.jwk import ECKey, Key

CLIENT_ID = "tailrun"
CLIENT_SECRET = "s3cret/%:of the client"  # noqa: S105
ALICE: dict[str, Any] = {"sub": "alice-1", "groups": ["ops", "staff"]}

Sign = Callable[["Provider", dict[str, Any]], str]


def signed(provider: "Provider", claims: dict[str, Any], **header: Any) -> str:
    """Sign claims as the provider does."""
    said = {"alg": "ES256", "kid": provider.key.kid, **header}
    return jwt.encode(said, claims, provider.key)


class Provider:
    """What a provider says, and to whom; a test changes any of it.

    `claims` are those of whoever signs in. `sign` makes the ID token of its claims. `described`,
    `published`, `userinfo` are answered in place of the true ones. A path in `answers` gets that
    text, one in `slow` waits for ever, and `requests` are the paths that were asked for.
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.key: Key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
        self.claims = dict(ALICE)
        self.sign: Sign = signed
        self.described: dict[str, Any] = {}
        self.published: list[dict[str, Any]] | None = None
        self.userinfo: dict[str, Any] | None = None
        self.answers: dict[str, web.Response] = {}
        self.slow: set[str] = set()
        self.secret_in_body = False
        self.closing = asyncio.Event()
        self.requests: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def discovery(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        return {name: value for name, value in (found | self.described).items() if value}

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser of somebody who agrees is sent."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def tokens(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Exchange a code, once, for who proves to have asked for it (RFC 7636)."""
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        answer = {
            "access_token": "at",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.sign(self, claims),
        }
        return 200, answer

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request.path)
        if request.path in self.slow:
            await self.closing.wait()
            raise web.HTTPServiceUnavailable
        if request.path in self.answers:
            return self.answers[request.path]
        if request.path == "/authorize":
            raise web.HTTPFound(self.authorize(dict(request.query)))
        if request.path == "/token":
            form = {name: str(value) for name, value in (await request.post()).items()}
            if self.secret_in_body:
                shown = form["client_id"], form["client_secret"]
            else:
                known = BasicAuth.decode(request.headers["Authorization"])
                shown = known.login, known.password
            assert shown == (CLIENT_ID, CLIENT_SECRET)
            status, answer = self.tokens(form)
            return web.json_response(answer, status=status)
        if request.path == "/keys":
            keys = self.published or [self.key.as_dict(private=False)]
            return web.json_response({"keys": keys})
        if request.path == "/userinfo":
            assert request.headers["Authorization"] == "Bearer at"
            return web.json_response(self.userinfo or {"sub": self.claims["sub"]})
        assert request.path == "/.well-known/openid-configuration"
        return web.json_response(self.discovery())


@asynccontextmanager
async def running(provider: Provider) -> AsyncIterator[Provider]:
    """Run a provider on a free port of the loopback interface."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        provider.issuer = f"http://{host}:{port}"
        yield provider
    finally:
        provider.closing.set()
        await runner.cleanup()


def returned(url: str) -> dict[str, str]:
    """Return the query of an address that a browser was sent to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
