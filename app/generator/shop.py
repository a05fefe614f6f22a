"""The shop of all runs: products, customers, and the preferences of each country.

It has its own seed, so history and live traffic, and runs on different days, have the same prices and the same
customers in the same countries.
"""

from dataclasses import dataclass
from random import Random

from app.generator.catalogue import Catalogue, build_catalogue
from app.generator.population import Population, build_population
from app.generator.weighted import Weighted
from app.settings import AnomalySettings, GeneratorSettings

#: Percentages of ordinary orders with 1, 2, 3, ... items.
QUANTITIES: tuple[int, ...] = (68, 20, 8, 3, 1)


@dataclass(frozen=True, slots=True)
class Shop:
    """The constant part of all runs; `preferences[c]` are the weights of the categories in country c."""

    catalogue: Catalogue
    population: Population
    countries: tuple[str, ...]
    preferences: tuple[Weighted, ...]

    def draw_product(self, rng: Random, country: int) -> int:
        """Returns a product by the preferences of a country."""
        category = self.preferences[country].draw(rng.random())
        return self.catalogue.draw(category, rng.random())


def build_shop(settings: GeneratorSettings, anomaly: AnomalySettings) -> Shop:
    """Creates the shop of these settings; no ordinary order can exceed the high-value limit."""
    rng = Random(f"shop {settings.world_seed}")
    ceiling_cents = max(1, int(anomaly.high_value * 100) // len(QUANTITIES))
    catalogue = build_catalogue(rng, settings.products, settings.categories, ceiling_cents)
    countries = settings.country_names
    preferences = tuple(_preference(rng, len(catalogue.categories)) for _ in countries)
    population = build_population(rng, settings.users, len(countries))
    return Shop(catalogue, population, countries, preferences)


def _preference(rng: Random, categories: int) -> Weighted:
    return Weighted((rank + 1) ** -0.7 * rng.lognormvariate(0.0, 0.8) for rank in range(categories))
