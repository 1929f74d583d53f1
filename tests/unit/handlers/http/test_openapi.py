"""The description of the routes, as the application makes it."""

from server.handlers.application import build_app
from server.settings.groups import Settings


def test_each_application_describes_all_of_its_routes() -> None:
    """The library that describes them changes what it is given."""
    first, second = (build_app(Settings())["swagger_dict"] for _ in range(2))
    assert first == second
    assert first["definitions"]["NewCommandBody"]["required"] == ["name", "script"]
    assert len(first["paths"]) > 10
