"""Static files and their addresses."""

from __future__ import annotations

import re

from exporter.web.static_files import addresses, static_file, static_files


def test_every_address_contains_a_digest_and_leads_to_its_file() -> None:
    for name, address in addresses().items():
        stem, _, suffix = name.rpartition(".")
        assert re.fullmatch(rf"{stem}\.[0-9a-f]{{12}}\.{suffix}", address)
        assert static_file(address) is static_files()[name]


def test_other_addresses_lead_nowhere() -> None:
    assert [static_file(one) for one in ("page.css", "page.000000000000.css", "../pages.py", "")] == [None] * 4


def test_the_style_sheet_fetches_nothing_and_both_dark_themes_are_the_same() -> None:
    text = static_files()["page.css"].content.decode()
    assert not re.findall(r"url\(|@import", text)
    by_choice, by_system = re.findall(r'\[data-theme="(?:dark|auto)"\] \{([^}]*)\}', text)
    assert by_choice.split() == by_system.split()
