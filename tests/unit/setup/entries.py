"""What lies in a folder, by name."""

from pathlib import Path


def entries(directory: Path) -> list[str]:
    """Return the paths of all that lies below a folder, those of folders with a slash behind."""
    found = [
        f"{path.relative_to(directory)}{'/' if path.is_dir() else ''}"
        for path in directory.rglob("*")
    ]
    return sorted(found)
