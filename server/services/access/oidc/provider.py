"""A provider of OpenID Connect: what is asked of it, and which of its answers are believed.

The only module that knows authlib, joserfc and httpx2; it is imported where a provider is set.
Nothing that a provider sends is followed, unpacked or kept beyond a bound.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from server.services.access.oidc.attempts import Attempt
from server.services.access.oidc.claims import Claims
from server.services.access.oidc.description import Description
from server.services.access.oidc.failures import Reason, SignInFailedError, refused
from server.services.access.oidc.kept import Kept
from server.settings.access import OidcSettings

ANSWER_SECONDS = 10.0
"""How long one step may take, from asking to the last byte."""

MAX_ANSWER_BYTES = 256 * 1024
FRESH_SECONDS = 3600.0
"""How long the provider's description and its keys are good; then they are asked for anew."""

RENEWAL_SECONDS = 60.0
"""Between two requests for the keys because a token names one that is not among them."""

LEEWAY_SECONDS = 30
"""By how much the provider's clock may be off ours."""

DISCOVERY = "/.well-known/openid-configuration"
KINDS = {
    **{f"{family}{bits}": "RSA" for family in ("RS", "PS") for bits in (256, 384, 512)},
    **{f"ES{bits}": "EC" for bits in (256, 384, 512)},
    "Ed25519": "OKP",
}
"""The algorithms that a token may be signed with, and which kind of key each takes.

Signatures alone. With HS256 whoever knows the public key could sign, and with `none` anybody.
"""


# Each request would be a line of the log; what fails is told by who asked.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class Provider:
    """A provider, as OidcSettings name it; `clock` counts seconds and never goes back."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        assert settings.issuer is not None
        self.issuer = settings.issuer
        self._settings = settings
        self._tls = ssl.create_default_context()
        self._described = Kept(self._ask_description, ANSWER_SECONDS, clock)
        self._keys = Kept(self._ask_keys, ANSWER_SECONDS, clock)

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Return where to send the browser.

        Raises:
            SignInFailedError: the provider cannot be asked what it is like.
        """
        described = await self.describe()
        async with self._client(described, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                described.authorization,
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
            )
        return str(url)

    async def claims(
        self, attempt: Attempt, code: str, redirect_uri: str, *, said_issuer: str | None
    ) -> Claims:
        """Return what the provider says of the person whom it gave this code.

        Raises:
            SignInFailedError: it cannot be asked, or what it says cannot be believed.
        """
        described = await self.describe()
        if said_issuer != self.issuer and (said_issuer is not None or described.names_itself):
            raise refused(f"it came from {said_issuer!r}")
        async with self._client(described, redirect_uri) as client:
            answer = await self._exchange(client, described, attempt, code)
            claims = await self._believed(answer, attempt)
            if described.userinfo is None or not isinstance(answer.get("access_token"), str):
                return claims
            wanted = {self._settings.principal_claim, self._settings.grants_claim}
            if all(name.partition(".")[0] in claims for name in wanted):
                return claims
            # What a scope stands for may be told there alone (OpenID Connect Core, 5.4).
            more = await self._asked(client.get(described.userinfo))
        if more.get("sub") != claims["sub"]:
            raise refused("its userinfo is about somebody else")
        return {**more, **claims}

    def _client(self, described: Description, redirect_uri: str) -> Any:
        settings = self._settings
        client = AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            token_endpoint_auth_method=(
                "none" if settings.client_secret is None else described.authentication
            ),
            scope=" ".join(settings.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            verify=self._tls,
        )
        return _bounded(client)

    async def _exchange(
        self, client: Any, described: Description, attempt: Attempt, code: str
    ) -> Mapping[str, Any]:
        """Give the code for tokens."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await client.fetch_token(
                    described.token,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.verifier,
                )
        except AuthlibBaseError as error:  # such as invalid_grant: the code is used, or not ours
            raise refused(f"it does not take the code ({error.error})") from error
        except httpx2.HTTPStatusError as error:
            raise _unavailable_or_refused(error.response) from error
        except (TimeoutError, httpx2.HTTPError) as error:
            raise _unavailable(error) from error
        except (ValueError, RecursionError, TypeError) as error:
            raise refused("its tokens are no JSON object") from error
        return dict(answer)

    async def _believed(self, answer: Mapping[str, Any], attempt: Attempt) -> Claims:
        """Return the claims of an ID token once all of it is checked (Core, 3.1.3.7)."""
        text = answer.get("id_token")
        if not isinstance(text, str):
            raise refused("there is no ID token")
        try:
            header = jws.extract_compact(text.encode()).headers()
            token = jwt.decode(text, await self._key(header), algorithms=[*KINDS])
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                    "sub": {"essential": True},
                },
                {
                    "nonce": attempt.nonce,
                    "client_id": self._settings.client_id,
                    "access_token": answer.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            raise refused(f"the ID token: {error}") from error
        return dict(claims)

    async def _key(self, header: Mapping[str, Any]) -> Key:
        """Return the one key that a token can be signed with; keys may have changed."""
        algorithm, key_id = header.get("alg"), header.get("kid")
        kind = KINDS.get(algorithm) if isinstance(algorithm, str) else None
        if kind is None:
            raise refused(f"the ID token is signed with {algorithm!r}")
        for oldest in (FRESH_SECONDS, RENEWAL_SECONDS):
            fitting = [
                key
                for key in await self._keys.get(oldest)
                if key.key_type == kind
                and key.get("use", "sig") == "sig"
                and (key_id is None or key.kid == key_id)
            ]
            if len(fitting) == 1:
                return fitting[0]
        raise refused(f"the ID token names the key {key_id!r}, of which there are {len(fitting)}")

    async def describe(self) -> Description:
        """Return what the provider says of itself, of late.

        Raises:
            SignInFailedError: it cannot be asked, or is another.
        """
        return await self._described.get(FRESH_SECONDS)

    async def _ask_description(self) -> Description:
        said = await self._get(self.issuer.rstrip("/") + DISCOVERY)
        return Description.of(self.issuer, said)

    async def _ask_keys(self) -> KeySet:
        said = await self._get((await self.describe()).keys)
        try:
            return KeySet.import_key_set(said)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise refused(f"its keys: {error}") from error

    async def _get(self, url: str) -> dict[str, Any]:
        async with _bounded(httpx2.AsyncClient(verify=self._tls)) as client:
            return await self._asked(client.get(url))

    @staticmethod
    async def _asked(request: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await request
            if response.status_code != 200:
                raise _unavailable_or_refused(response)
            answer = response.json()
        except (TimeoutError, httpx2.HTTPError) as error:
            raise _unavailable(error) from error
        except (ValueError, RecursionError) as error:
            raise refused("it is no JSON") from error
        if not isinstance(answer, dict):
            raise refused("it is no JSON object")
        return answer


def _unavailable(error: Exception) -> SignInFailedError:
    said = str(error) or type(error).__name__
    return SignInFailedError(Reason.UNAVAILABLE, f"the provider cannot be reached: {said}")


def _unavailable_or_refused(response: Any) -> SignInFailedError:
    text = f"{response.url.host} answered {response.status_code}"
    if response.status_code >= 500 or response.status_code == 429:
        return SignInFailedError(Reason.UNAVAILABLE, f"the provider fails: {text}")
    return refused(text)


class _Counted(httpx2.AsyncByteStream):
    """A body of a bounded size."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise refused(f"it is larger than {MAX_ANSWER_BYTES} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _count(response: Any) -> None:
    """Bound a response's body; a packed one is refused, as it could be of any size."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise refused("it is compressed, although that was not asked for")
    response.stream = _Counted(response.stream)


def _bounded(client: Any) -> Any:
    """Have a client take bounded answers alone, soon, and as they are."""
    client.timeout = httpx2.Timeout(ANSWER_SECONDS)
    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks = {"request": [], "response": [_count]}
    return client
