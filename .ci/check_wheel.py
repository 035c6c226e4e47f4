"""The wheel holds exactly the three packages, their type markers, and the entry points."""

import sys
import zipfile
from pathlib import Path

PACKAGES = {"losszoo", "losszoo_plugins", "losszoo_tasks"}


def main(folder: str) -> int:
    (wheel,) = Path(folder).glob("losszoo-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    missing = {f"{package}/py.typed" for package in PACKAGES} - set(names)
    if top != PACKAGES or missing:
        print(f"{wheel.name}: top-level names must be {sorted(PACKAGES)}, got {sorted(top)}")
        print(f"missing: {sorted(missing)}")
        return 1
    print(f"{wheel.name}: {sorted(top)}, {len(names)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
