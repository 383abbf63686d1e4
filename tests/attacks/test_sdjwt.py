"""SD-JWT (B6, P6): nothing here reads or writes it yet."""

from tests.attacks.catalogue import waits

waits("SD-JWT VC", "VS001", "VS005", "VS006", "VS008", "VS009", "VS010", "VS012", "VS013", "VS014")
waits("SD-JWT VC", "VS015", "VS016", "VS017")
