"""Azure's servers: a resource has the address, a deployment the model; the upstream ``openai`` does the rest.

Source: protocol.md, section 1.1.
"""

import os
import re
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

from realtime_engine.errors import UsageError
from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions, ServerOptions, Vendor, common

KEY: Final = "AZURE_OPENAI_API_KEY"
ENDPOINT: Final = "AZURE_OPENAI_ENDPOINT"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_SCHEMES: Final = {"https": "wss", "wss": "wss", "http": "ws", "ws": "ws"}
_PATHS: Final = ("", "openai", "openai/v1")
"""What may stand behind the host in an endpoint, as the portal and the SDKs write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureOptions(ServerOptions):
    """Which of your resources at Azure answers, and who asks.

    Attributes:
        resource: The resource: its name or its endpoint (https://…), and /DEPLOYMENT if you like. Without it
            AZURE_OPENAI_ENDPOINT says where it is.
        deployment: The name under which the model is deployed there.
        api_version: A dated version of the API, such as 2024-10-01-preview. It speaks the older generation of the
            protocol, the beta, which is translated; without it the current one is spoken.
        key_file: A file with the key, instead of AZURE_OPENAI_API_KEY.
    """

    resource: str | None = None
    deployment: str | None = None
    api_version: str | None = None


class Azure(OpenAI):
    """The plug-in: see `realtime_engine.plugins.LinkUpstream`.

    Raises:
        UsageError: The resource, the deployment or the key is missing, or an option is wrong; the message names it, and
            shows no secret.
    """

    Options: ClassVar[type] = AzureOptions
    vendor: ClassVar[Vendor] = Vendor(key=KEY, header="api-key: {}", aloof=True)
    name: str = "azure"

    def __init__(self, options: AzureOptions) -> None:
        url = address_of(options, os.environ.get(ENDPOINT, ""))
        super().__init__(
            OpenAIOptions(url=url, upstream_dialect="beta" if options.api_version else "ga", **common(options))
        )


def address_of(options: AzureOptions, endpoint: str) -> str:
    """The whole address of a deployment.

    Args:
        options: Where the resource is.
        endpoint: The same by the environment, for who says nothing; ``""``: nothing is said there either.

    Raises:
        UsageError: The resource or the deployment is missing, or is no such thing.
    """
    place = _read(options.resource) if options.resource else _read(endpoint, ENDPOINT)
    named = {each for each in (place.deployment, options.deployment) if each}
    if len(named) > 1:
        raise UsageError("--upstream azure:… names one deployment and --deployment another: name one")
    if not named:
        raise UsageError("Azure needs a deployment: --upstream azure:RESOURCE/DEPLOYMENT, or --deployment DEPLOYMENT")
    (deployment,) = named
    path, query = "/openai/v1/realtime", {"model": deployment}
    if options.api_version:
        path, query = "/openai/realtime", {"api-version": options.api_version, "deployment": deployment}
    return urlunsplit(SplitResult(place.scheme, place.host, path, urlencode(query), ""))


class _Place(NamedTuple):
    scheme: str
    host: str
    deployment: str


def _read(given: str, where: str = "--upstream azure") -> _Place:
    """The resource that somebody has named; what they wrote is not repeated."""
    if not given:
        raise UsageError(f"Azure needs a resource: --upstream azure:RESOURCE/DEPLOYMENT, or its endpoint in {ENDPOINT}")
    if "://" not in given:
        name, _, deployment = given.partition("/")
        if not _NAME.fullmatch(name) or "/" in deployment:
            raise UsageError(f"{where}: a resource is RESOURCE, RESOURCE/DEPLOYMENT, or its endpoint, https://…")
        return _Place("wss", f"{name}.openai.azure.com", deployment)
    try:
        url = urlsplit(given)
    except ValueError:
        url = SplitResult("", "", "", "", "")
    path = url.path.strip("/")
    deployment = "" if path in _PATHS else path
    if url.scheme not in _SCHEMES or not url.netloc or "/" in deployment or url.query:
        whole = "--upstream wss://… takes any other address as it is"
        raise UsageError(f"{where}: an endpoint is https://RESOURCE.openai.azure.com, with /DEPLOYMENT or not; {whole}")
    return _Place(_SCHEMES[url.scheme], url.netloc, deployment)
