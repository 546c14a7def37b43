"""Generates the reference documents from the code: docs/metrics.md, docs/configuration.md, the tables of docs/alerts.md.

Writes them in Chinese as well, to docs/zh, with the translations in docs/zh/texts.po. Adds the texts that need a
translation to that file, and drops those that no document uses any more.

With --check, changes nothing: lists outdated files and faults of the translations, and exits with 1 if there are any.
"""

from __future__ import annotations

import sys
from pathlib import Path

from exporter.texts.catalogue import Language
from scripts.reference import alerts, catalogue, configuration, metrics
from scripts.reference.document import document, relocated
from scripts.reference.texts import Texts

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ROOT / "docs"
CHINESE = ENGLISH / "zh"
FOLDERS = {Language.EN: ENGLISH, Language.ZH: CHINESE}
TRANSLATIONS = CHINESE / "texts.po"


def written(text: Texts, *also_from: str) -> dict[str, str]:
    """The documents in one language, by the name of the file."""
    return {
        "metrics.md": document(text, "Metrics", metrics.body, metrics.SOURCE, *also_from),
        "configuration.md": document(text, "Configuration", configuration.body, configuration.SOURCE, *also_from),
        "alerts.md": alerts.with_tables((FOLDERS[text.language] / "alerts.md").read_text(encoding="utf-8"), text),
    }


def main() -> int:
    """Write the files, or check them."""
    check = "--check" in sys.argv[1:]
    translations = catalogue.read_catalogue(TRANSLATIONS)
    text = Texts()
    english = written(text)
    used = text.used
    if not check:
        catalogue.update(translations, used)
        catalogue.write_catalogue(translations, TRANSLATIONS)
        translations = catalogue.read_catalogue(TRANSLATIONS)
    chinese = written(Texts(Language.ZH, catalogue.translations(translations)), f"`{_name(TRANSLATIONS)}`")
    files = {ENGLISH / name: content for name, content in english.items()}
    files |= {
        CHINESE / name: relocated(content, lambda other: other in english or (CHINESE / other).exists())
        for name, content in chinese.items()
    }
    problems = [f"{_name(TRANSLATIONS)}:{fault}" for fault in catalogue.faults(translations, used)]
    for file, content in files.items():
        if not check:
            file.write_text(content, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != content:
            problems.append(f"{_name(file)} is outdated; run: make docs")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
