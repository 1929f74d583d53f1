"""What a provider's answers must be to be believed, over HTTP to one on loopback."""

import asyncio
import base64
import gzip
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from server.services.access.oidc import provider as asked
from server.services.access.oidc.attempts import Attempt, Attempts
from server.services.access.oidc.claims import Claims
from server.services.access.oidc.failures import Reason, SignInFailedError
from server.settings.access import OidcSettings
from tests.support.oidc import ALICE, CLIENT_ID, CLIENT_SECRET, Provider, returned, running, signed
from tests.support.waiting import until

CALLBACK = "http://127.0.0.1:8000/api/v1/session/oidc/callback"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SignIns:
    """Sign-ins at a provider, as far as that goes."""

    def __init__(self, provider: Provider, **settings: Any) -> None:
        self.clock = Clock()
        self.provider = provider
        own = OidcSettings(
            issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **settings
        )
        self.asked = asked.Provider(own, self.clock)
        self.attempts = Attempts()

    async def agreed(self) -> tuple[Attempt, str]:
        """Begin a sign-in that the person agrees to; return it with its code."""
        attempt = self.attempts.begin()
        url = await self.asked.authorization_url(attempt, CALLBACK)
        assert url.startswith(f"{self.provider.issuer}/authorize?")
        answer = returned(self.provider.authorize(returned(url)))
        assert answer["state"] == attempt.state
        return attempt, answer["code"]

    async def claims(self, said_issuer: str | None = None) -> Claims:
        attempt, code = await self.agreed()
        return await self.asked.claims(attempt, code, CALLBACK, said_issuer=said_issuer)

    async def fails(self, reason: Reason = Reason.REFUSED, **arguments: Any) -> str:
        with pytest.raises(SignInFailedError) as failed:
            await self.claims(**arguments)
        assert failed.value.reason is reason, failed.value
        return str(failed.value)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running(Provider()) as provider:
        yield provider


@pytest.fixture
def sign_ins(provider: Provider) -> SignIns:
    return SignIns(provider)


async def test_the_claims_of_who_signs_in_are_told(sign_ins: SignIns) -> None:
    found = await sign_ins.claims()
    assert {name: found[name] for name in ALICE} == ALICE
    assert "/userinfo" not in sign_ins.provider.requests


async def test_a_code_is_of_its_sign_in_alone(sign_ins: SignIns) -> None:
    """The provider holds the code's challenge against the verifier of another sign-in."""
    _, code = await sign_ins.agreed()
    with pytest.raises(SignInFailedError, match="does not take the code") as failed:
        await sign_ins.asked.claims(sign_ins.attempts.begin(), code, CALLBACK, said_issuer=None)
    assert failed.value.reason is Reason.REFUSED


async def test_a_code_is_good_once(sign_ins: SignIns) -> None:
    attempt, code = await sign_ins.agreed()
    await sign_ins.asked.claims(attempt, code, CALLBACK, said_issuer=None)
    with pytest.raises(SignInFailedError, match="does not take the code"):
        await sign_ins.asked.claims(attempt, code, CALLBACK, said_issuer=None)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another", "more"]},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": 4_000_000_000},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
    ],
)
async def test_a_token_of_other_claims_is_refused(
    sign_ins: SignIns, claims: dict[str, Any]
) -> None:
    sign_ins.provider.claims |= claims
    assert "the ID token: " in await sign_ins.fails()


async def test_a_token_for_several_names_us(sign_ins: SignIns) -> None:
    sign_ins.provider.claims |= {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    assert (await sign_ins.claims())["sub"] == ALICE["sub"]


def _put_together(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """Make a token by hand, as whoever attacks does: signed by HS256, or not at all."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = b"" if secret is None else hmac.digest(secret, text, "sha256")
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def _unsigned(_: Provider, claims: dict[str, Any]) -> str:
    return _put_together({"alg": "none"}, claims, None)


def _unsigned_by_the_key(_: Provider, claims: dict[str, Any]) -> str:
    return _put_together({"alg": "ES256", "kid": "one"}, claims, None)


def _by_the_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    assert isinstance(provider.key, ECKey)
    public = provider.key.as_pem(private=False)
    return _put_together({"alg": "HS256", "kid": "one"}, claims, public)


def _by_the_client_secret(_: Provider, claims: dict[str, Any]) -> str:
    return _put_together({"alg": "HS256"}, claims, CLIENT_SECRET.encode())


def _by_another_key(_: Provider, claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, key)


def _changed(provider: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = signed(provider, claims).split(".")
    _, body, _ = signed(provider, claims | {"sub": "root"}).split(".")
    return f"{head}.{body}.{signature}"


def _by_a_key_of_its_own(_: Provider, claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": key.as_dict(private=False)}
    return jws.serialize_compact(header, json.dumps(claims).encode(), key)


@pytest.mark.parametrize(
    "sign",
    [
        _unsigned,
        _unsigned_by_the_key,
        _by_the_public_key,
        _by_the_client_secret,
        _by_another_key,
        _changed,
        _by_a_key_of_its_own,
        lambda *_: "no.token",
        lambda *_: "é",
    ],
)
async def test_a_token_that_the_provider_did_not_sign_is_refused(
    sign_ins: SignIns, sign: Callable[[Provider, dict[str, Any]], str]
) -> None:
    sign_ins.provider.sign = sign
    assert "the ID token" in await sign_ins.fails()


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("RS256", lambda: RSAKey.generate_key(2048, {"kid": "one"})),
        ("PS512", lambda: RSAKey.generate_key(2048, {"kid": "one"})),
        ("ES384", lambda: ECKey.generate_key("P-384", {"kid": "one"})),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519", {"kid": "one"})),
    ],
)
async def test_each_algorithm_that_is_fixed_is_taken(
    algorithm: str, make: Callable[[], Key]
) -> None:
    def sign(provider: Provider, claims: dict[str, Any]) -> str:
        header = {"alg": algorithm, "kid": "one"}
        return jwt.encode(header, claims, provider.key, algorithms=[algorithm])

    async with running(Provider()) as provider:
        provider.key, provider.sign = make(), sign
        assert (await SignIns(provider).claims())["sub"] == ALICE["sub"]


async def test_a_token_that_names_no_key_is_of_the_only_one_that_fits(sign_ins: SignIns) -> None:
    provider = sign_ins.provider
    provider.sign = lambda provider, claims: jwt.encode({"alg": "ES256"}, claims, provider.key)
    other = RSAKey.generate_key(2048).as_dict(private=False)
    own = provider.key.as_dict(private=False)
    provider.published = [other, own, {**own, "kid": "two", "use": "enc"}]
    assert (await sign_ins.claims())["sub"] == ALICE["sub"]
    again = SignIns(provider)
    provider.published = [own, {**own, "kid": "two"}]
    assert "of which there are 2" in await again.fails()


async def test_keys_that_have_changed_are_asked_for_at_a_bounded_rate(sign_ins: SignIns) -> None:
    provider = sign_ins.provider
    await sign_ins.claims()
    provider.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    for _ in range(3):
        assert "names the key 'two'" in await sign_ins.fails()
    assert provider.requests.count("/keys") == 1
    sign_ins.clock.now += asked.RENEWAL_SECONDS + 1
    await sign_ins.claims()
    assert provider.requests.count("/keys") == 2


async def test_a_key_that_was_withdrawn_is_not_believed_for_long(sign_ins: SignIns) -> None:
    provider = sign_ins.provider
    await sign_ins.claims()
    provider.published = [ECKey.generate_key("P-256", {"kid": "two"}).as_dict(private=False)]
    await sign_ins.claims()
    sign_ins.clock.now += asked.FRESH_SECONDS + 1
    assert "names the key 'one'" in await sign_ins.fails()


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"token_endpoint": None},
        {"jwks_uri": "keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://sso.example.org/token"},
        {"userinfo_endpoint": ["https://sso.example.org/"]},
        {"jwks_uri": "https://[::"},
        {"jwks_uri": "https://"},
    ],
)
async def test_a_provider_that_describes_another_is_refused(
    sign_ins: SignIns, described: dict[str, Any]
) -> None:
    sign_ins.provider.described = described
    await sign_ins.fails()


async def test_an_answer_that_names_another_provider_is_refused(sign_ins: SignIns) -> None:
    """RFC 9207: it was meant for somebody who signs in elsewhere."""
    assert "it came from" in await sign_ins.fails(said_issuer="https://other.example.org")
    assert await sign_ins.claims(said_issuer=sign_ins.provider.issuer)
    named = SignIns(sign_ins.provider)
    sign_ins.provider.described = {"authorization_response_iss_parameter_supported": True}
    assert "it came from None" in await named.fails()


async def test_what_the_token_does_not_tell_is_asked_for(sign_ins: SignIns) -> None:
    provider = sign_ins.provider
    provider.claims = {"sub": "alice-1"}
    provider.userinfo = {"sub": "alice-1", "groups": ["dev"], "iss": "no"}
    found = await sign_ins.claims()
    assert (found["groups"], found["iss"]) == (["dev"], provider.issuer)
    provider.userinfo = {"sub": "mallory", "groups": ["ops"]}
    assert "about somebody else" in await sign_ins.fails()
    provider.described = {"userinfo_endpoint": None}
    assert "groups" not in await SignIns(provider).claims()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: web.Response(text="no JSON"), Reason.REFUSED),
        (lambda: web.Response(text="[" * 100_000), Reason.REFUSED),
        (lambda: web.json_response(["no", "object"]), Reason.REFUSED),
        (lambda: web.json_response({}), Reason.REFUSED),
        (lambda: web.json_response({"keys": 7, "id_token": 7, "issuer": 7}), Reason.REFUSED),
        (lambda: web.json_response({"keys": [7, {}], "id_token": ""}), Reason.REFUSED),
        (lambda: web.Response(text=" " * 300_000 + "{}"), Reason.REFUSED),
        (lambda: web.Response(text="x", headers={"Content-Encoding": "gzip"}), Reason.REFUSED),
        (lambda: web.Response(status=302, headers={"Location": "/elsewhere"}), Reason.REFUSED),
        (lambda: web.Response(status=404), Reason.REFUSED),
        (lambda: web.Response(status=503), Reason.UNAVAILABLE),
        (lambda: web.Response(status=429), Reason.UNAVAILABLE),
    ],
)
async def test_an_answer_that_is_none_is_refused(
    sign_ins: SignIns, path: str, answer: Callable[[], web.Response], reason: Reason
) -> None:
    """Too large, nested too deep, packed, elsewhere, of another form."""
    sign_ins.provider.answers[path] = answer()
    await sign_ins.fails(reason)
    assert "/elsewhere" not in sign_ins.provider.requests


async def test_an_answer_that_would_be_right_is_refused_for_its_size_or_for_being_packed(
    sign_ins: SignIns,
) -> None:
    """Packed, a megabyte is a thousand."""
    path, right = "/.well-known/openid-configuration", sign_ins.provider.discovery()
    body = json.dumps(right).encode()
    sign_ins.provider.answers[path] = web.Response(body=body + b" " * asked.MAX_ANSWER_BYTES)
    assert "it is larger than" in await sign_ins.fails()
    sign_ins.provider.answers[path] = web.Response(
        body=gzip.compress(body), headers={"Content-Encoding": "gzip"}
    )
    assert "it is compressed" in await sign_ins.fails()
    sign_ins.provider.answers[path] = web.Response(body=body)
    assert await sign_ins.claims()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
async def test_a_provider_that_does_not_answer_is_given_up(
    sign_ins: SignIns, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "ANSWER_SECONDS", 0.2)
    sign_ins.provider.slow.add(path)
    await sign_ins.fails(Reason.UNAVAILABLE)


async def test_a_provider_that_is_away_is_told_from_one_that_lies() -> None:
    async with running(Provider()) as provider:
        sign_ins = SignIns(provider)
    await sign_ins.fails(Reason.UNAVAILABLE)


async def test_many_who_ask_at_once_share_the_failure(sign_ins: SignIns) -> None:
    """They do not wait one after the other, each for its own time."""
    provider = sign_ins.provider
    provider.slow.add("/.well-known/openid-configuration")
    all_of_them = asyncio.gather(*(sign_ins.fails(Reason.UNAVAILABLE) for _ in range(10)))
    await until(lambda: provider.requests)
    provider.closing.set()  # and answers 503
    assert len({*await all_of_them}) == 1
    assert len(provider.requests) == 1
    provider.slow.clear()
    await sign_ins.claims()


async def test_who_begins_does_not_wait_for_keys_that_another_waits_for(
    sign_ins: SignIns,
) -> None:
    provider = sign_ins.provider
    attempt, code = await sign_ins.agreed()
    provider.slow.add("/keys")
    waiting = asyncio.create_task(sign_ins.asked.claims(attempt, code, CALLBACK, said_issuer=None))
    await until(lambda: "/keys" in provider.requests)
    await sign_ins.agreed()
    assert not waiting.done()
    provider.slow.clear()
    provider.closing.set()
    with pytest.raises(SignInFailedError, match="answered 503"):
        await waiting


async def test_a_provider_that_takes_the_secret_in_the_body_gets_it_there(
    sign_ins: SignIns,
) -> None:
    sign_ins.provider.described = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    sign_ins.provider.secret_in_body = True
    assert (await sign_ins.claims())["sub"] == ALICE["sub"]
