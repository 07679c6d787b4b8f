"""A messy table, as people have them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

MISSING = ("", "NA", "?")


def messy_rows(n_rows: int, seed: int) -> list[list[str]]:
    """Draw flats whose class and price hang on size, place, year, garden and date of sale.

    A unicode name, a category with a comma, one with quotes, decimal commas, 3 % missing cells.
    """
    random = np.random.default_rng(seed)
    place = random.choice(["Zürich", "Bern, Stadt", "Genf", 'Sankt "Gallen"'], n_rows)
    size, year = random.normal(90, 30, n_rows).clip(20), random.integers(1950, 2020, n_rows)
    garden = random.random(n_rows) < 0.4
    sold = np.datetime64("2020-01-01") + random.integers(0, 1500, n_rows)
    price = size * 8 + (place == "Zürich") * 200 + garden * 80 + (year - 1950) * 2
    price += random.normal(0, 30, n_rows)
    rows = [["Größe (m²)", "Ort", "Baujahr", "Garten", "verkauft", "Notiz", "Preis", "Klasse"]]
    for k in range(n_rows):
        cells = [
            f"{size[k]:.1f}".replace(".", ","), place[k], str(year[k]),
            "yes" if garden[k] else "no", str(sold[k]), f"note {k}",
        ]  # fmt: skip
        cells = [random.choice(MISSING) if random.random() < 0.03 else cell for cell in cells]
        label = "teuer" if price[k] > 930 else "günstig" if price[k] < 780 else "mittel"
        rows.append([*cells, f"{price[k]:.2f}".replace(".", ","), label])
    return rows


def write_csv(path: Path, rows: list[list[str]], delimiter: str = ";") -> Path:
    """Write rows as spreadsheets do, quotes where they are needed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path
