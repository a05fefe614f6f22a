"""The shop all runs share: products, customers and what each country likes to buy.

It grows from a seed of its own, so history and live traffic, today's run and tomorrow's, have the
same prices and the same customers in the same countries.
"""

from dataclasses import dataclass
from random import Random

from app.generator.catalogue import Catalogue, build_catalogue
from app.generator.population import Population, build_population
from app.generator.weighted import Weighted
from app.settings import AnomalySettings, GeneratorSettings

#: Items of an ordinary order and how often, in percent.
QUANTITIES: tuple[int, ...] = (68, 20, 8, 3, 1)


@dataclass(frozen=True, slots=True)
class Shop:
    """What stays the same from run to run; `tastes[c]` weighs the categories in country c."""

    catalogue: Catalogue
    population: Population
    countries: tuple[str, ...]
    tastes: tuple[Weighted, ...]

    def draw_product(self, rng: Random, country: int) -> int:
        """Return a product as a customer of a country would choose it."""
        category = self.tastes[country].draw(rng.random())
        return self.catalogue.draw(category, rng.random())


def build_shop(settings: GeneratorSettings, anomaly: AnomalySettings) -> Shop:
    """Make the shop of these settings; no ordinary order can exceed the high-value limit."""
    rng = Random(f"shop {settings.world_seed}")
    ceiling_cents = max(1, int(anomaly.high_value * 100) // len(QUANTITIES))
    catalogue = build_catalogue(rng, settings.products, settings.categories, ceiling_cents)
    countries = settings.country_names
    tastes = tuple(_taste(rng, len(catalogue.categories)) for _ in countries)
    population = build_population(rng, settings.users, len(countries))
    return Shop(catalogue, population, countries, tastes)


def _taste(rng: Random, categories: int) -> Weighted:
    return Weighted((rank + 1) ** -0.7 * rng.lognormvariate(0.0, 0.8) for rank in range(categories))
