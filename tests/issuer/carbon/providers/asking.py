"""Providers that ask the fakes, and the times that the tests speak of."""

from pathlib import Path

from issuer.carbon.providers.client import Client
from issuer.carbon.providers.electricity_maps import ElectricityMaps
from issuer.carbon.providers.entsoe import Entsoe
from issuer.carbon.providers.secret import TokenFile
from issuer.carbon.providers.uk import CarbonIntensityUk
from issuer.carbon.providers.watttime import WattTime
from tests.fakes.grid import electricity_maps, entsoe, watttime
from tests.fakes.grid.server import GridServer
from tests.fakes.grid.values import us

NOW_US = us("2026-10-01T12:20")
TIMEOUT_S = 20.0


def client(server: GridServer, **options) -> Client:
    return Client("the-provider", server.url, **options)


def token_file(folder: Path, text: str) -> TokenFile:
    path = folder / "token"
    path.write_text(text + "\n", encoding="utf-8")
    return TokenFile(str(path))


def maps(server: GridServer, folder: Path, **options) -> ElectricityMaps:
    return ElectricityMaps(client(server), token_file(folder, electricity_maps.TOKEN), **options)


def watt_time(server: GridServer, folder: Path, **options) -> WattTime:
    return WattTime(client(server), token_file(folder, watttime.LOGIN), **options)


def british(server: GridServer) -> CarbonIntensityUk:
    return CarbonIntensityUk(client(server))


def platform(server: GridServer, folder: Path, **options) -> Entsoe:
    return Entsoe(client(server), token_file(folder, entsoe.TOKEN), **options)
