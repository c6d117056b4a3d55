"""What the README says is there is there, and the other way round."""

import os
import re
import unittest

from stack import TOP


def text_of(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


class Documents(unittest.TestCase):
    def test_every_setting_with_its_default_and_help(self):
        declared = re.findall(r'(?:TEXT|NUMBER)\(\w+, "(\w+)", (?:\d+, "([^"]*)"|(\d+), \d+, \d+),\s*"([^"]*)"\)',
                              text_of("fcgi", "settings.def"))
        written = re.findall(r"^\| `(BAZAR_\w+)` \| `?([^`|]*?)`? *\| (.*) \|$", text_of("README.md"), re.M)
        self.assertGreater(len(declared), 5)
        self.assertEqual([(name, text or number, help_) for name, text, number, help_ in declared], written)

    def test_every_path_named_exists(self):
        named = re.findall(r"`((?:fcgi|replica|nginx|sql|tests|vagrant)/[\w./-]*)`", text_of("README.md"))
        self.assertGreater(len(named), 10)
        for path in named:
            self.assertTrue(os.path.exists(os.path.join(TOP, path)), path)

    def test_every_make_target_named_exists(self):
        targets = set(re.findall(r"^([a-z-]+(?: [a-z -]+)?):", text_of("Makefile"), re.M))
        targets = {word for line in targets for word in line.split()}
        for name in set(re.findall(r"`?make ([a-z-]+)", text_of("README.md"))):
            self.assertIn(name, targets)


if __name__ == "__main__":
    unittest.main()
