"""Random policies for the data set of the attacks, and an oracle of 15 lines for what they say."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

SEED = int(os.environ.get("SIPGUARD_SEED", "1"))
FIRST_HOST = 20
PREFIXES = ["", "4", "44", "442", "4420", "447", "1", "12", "1900", "33", "331", "53", "8", "881", "39"]


@dataclass(frozen=True)
class Policy:
    """An account with an agent, each with sections of its own, and its trunk."""

    host: int
    """Host number of its trunk."""
    levels: tuple[tuple[tuple[str, str], ...], ...]
    """(action, prefix) of the account, and of its agent."""

    @property
    def tables(self) -> str:
        """TOML, to be put behind data.toml."""
        text = ""
        for level, sections in reversed(list(enumerate(self.levels))):
            rows = ", ".join(
                f'{{ direction = "called", action = "{action}", prefix = "{prefix}" }}'
                for action, prefix in sections
            )
            agent = "root" if level else f"agent{self.host}"
            name = f"agent{self.host}" if level else f"random{self.host}"
            text += (
                f'\n[[account]]\nid = "{name}"\nagent = "{agent}"\nrate_table = "world"\n'
                f'sections = [{rows}]\n[[payment]]\naccount = "{name}"\namount = "1000"\nkey = "{name}"\n'
            )
        return (
            f'{text}\n[[mapping_gateway]]\nid = "trunk{self.host}"\naccount = "random{self.host}"\n'
            f'sources = ["@NET@.{self.host}"]\ncountry_code = "44"\nnational_prefix = "0"\n'
            'international_prefixes = ["00"]\n'
        )

    def allows(self, number: str) -> bool:
        """The longest prefix decides at every level; without one, a level that allows any blocks the rest."""
        for sections in (*self.levels, (("block", "881"), ("block", "882"), ("block", "88351"))):
            matching = [(len(prefix), action) for action, prefix in sections if number.startswith(prefix)]
            if matching:
                if max(matching)[1] == "block":
                    return False
            elif any(action == "allow" for action, _ in sections):
                return False
        return True


def policies(count: int = 4) -> list[Policy]:
    """The same for every call of one run."""
    chance = random.Random(SEED)

    def sections() -> tuple[tuple[str, str], ...]:
        prefixes = chance.sample(PREFIXES, chance.randrange(5))
        return tuple((chance.choice(["allow", "block"]), prefix) for prefix in prefixes)

    return [Policy(FIRST_HOST + at, (sections(), sections())) for at in range(count)]


def number(chance: random.Random) -> str:
    """A number that some of the prefixes fit, in E.164 digits that every trunk reads."""
    front = chance.choice(["4420", "4421", "447", "449", "1212", "1900", "3312", "5355", "8812", "8801"])
    return front + "".join(chance.choice("123456789") for _ in range(chance.randrange(5, 9)))
