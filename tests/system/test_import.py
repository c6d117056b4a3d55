"""bazarctl import and export against a running stack."""

import csv
import io
import json
import os
import subprocess
import time
import unittest

from stack import BUILD, TOP, Stack, wait_until

GOODBOOKS = os.path.join(os.path.dirname(TOP), "shared", "data", "goodbooks-10k.csv")
HEADER = "id,title,author,topic,price,quantity\n"


class Import(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def file(self, text, name="books.csv"):
        path = os.path.join(self.stack.home, name)
        with open(path, "wb") as out:
            out.write(text.encode("utf-8") if isinstance(text, str) else text)
        return path

    def exported(self, *args):
        return self.stack.ctl("export", *args).stdout

    def test_columns_by_name_quotes_and_odd_line_ends(self):
        path = self.file('\ufeffquantity,price,ignored,topic,id,author,title\r\n'
                         '3,12.99,x,"Sci ""Fi"", new",501,"A, B","Two\r\nlines"\r\n'.replace("\r\nlines", " lines") +
                         '0,5,y,Été,502,,"Plain"')
        self.stack.ctl("import", path)
        data = self.stack.get("/info/501").data
        self.assertEqual((data["title"], data["author"], data["topic"], data["price"], data["quantity"]),
                         ("Two lines", "A, B", 'Sci "Fi", new', 12.99, 3))
        self.assertEqual([b["id"] for b in self.stack.get("/search/%C3%89T%C3%89").data], [502])

    def test_every_error_is_told_with_line_and_column_and_nothing_is_changed(self):
        before = self.exported()
        path = self.file(HEADER + "601,Good,A,t,5,1\n0,No id,A,t,5,1\n602,Bad price,A,t,5.001,1\n"
                         "603,Bad quantity,A,t,5,-1\n601,Twice,A,t,5,1\n604,,A,t,5,1\n605,Short,A\n")
        done = self.stack.ctl("import", path, check=False)
        self.assertNotEqual(done.returncode, 0)
        for line in (3, 4, 5, 6, 7, 8):
            self.assertRegex(done.stderr, rf"\b{line}\b")
        self.assertEqual(self.exported(), before)
        for text in ("", "id,title\n1,x\n", HEADER + '1,"open', HEADER.encode() + b"606,\xff,A,t,5,1\n"):
            self.assertNotEqual(self.stack.ctl("import", self.file(text), check=False).returncode, 0, text)
        self.assertEqual(self.exported(), before)

    def test_at_most_twenty_errors_are_told(self):
        path = self.file(HEADER + "x,T,A,t,5,1\n" * 50)
        told = self.stack.ctl("import", path, check=False).stderr.splitlines()
        self.assertLessEqual(len(told), 24)
        self.assertGreaterEqual(len(told), 20)

    def test_an_existing_book_with_another_title_needs_replace(self):
        path = self.file(HEADER + "901,Another,A,t,5,1\n6,Not its title,A,education,5,50\n")
        done = self.stack.ctl("import", path, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--replace", done.stderr)
        self.assertEqual(self.stack.get("/info/901").status, 404)
        stock = self.stack.stock(6)
        self.stack.ctl("import", "--replace", path)
        data = self.stack.get("/info/6").data
        self.assertEqual((data["title"], data["price"], data["quantity"]), ("Not its title", 5, stock))
        self.stack.ctl("reconcile")

    def test_export_imports_again(self):
        text = self.exported("--format", "csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertGreaterEqual(len(rows), 7)
        other = Stack()
        try:
            path = os.path.join(other.home, "export.csv")
            with open(path, "w", encoding="utf-8", newline="") as out:
                out.write(text)
            other.ctl("import", "--replace", path)
            again = {r["id"]: r for r in csv.DictReader(io.StringIO(other.ctl("export").stdout))}
            for row in rows:
                self.assertEqual(again[row["id"]]["title"], row["title"])
                self.assertEqual(again[row["id"]]["price"], row["price"])
        finally:
            other.destroy()

    def test_json_lines(self):
        lines = self.exported("--format", "jsonl").splitlines()
        self.assertIn(1, [json.loads(line)["id"] for line in lines])


@unittest.skipUnless(os.path.exists(GOODBOOKS), "the goodbooks-10k data set is not here")
class Goodbooks(unittest.TestCase):
    def test_ten_thousand_books_in_seconds_also_when_interrupted(self):
        stack = Stack()
        try:
            importer = subprocess.Popen([os.path.join(BUILD, "bazarctl"), "--run", stack.run, "import",
                                         "--replace", GOODBOOKS], stderr=subprocess.DEVNULL)
            wait_until(lambda: stack.get("/info/1500").status == 200, what="the first chunks")
            importer.kill()
            importer.wait()
            began = time.monotonic()
            stack.ctl("import", "--replace", GOODBOOKS)
            print(f"        imported in {time.monotonic() - began:.2f} s")
            with open(GOODBOOKS, encoding="utf-8", newline="") as file:
                books = list(csv.DictReader(file))
            topics = {t["topic"]: t["books"] for t in stack.get("/topics").data}
            self.assertEqual(sum(topics.values()), len(books))
            for row in books[::997]:
                data = stack.get(f"/info/{row['id']}").data
                self.assertEqual((data["title"], data["author"], data["topic"], data["price"]),
                                 (row["title"], row["author"], row["topic"], float(row["price"])))
            self.page_through(stack, "2000s", [int(b["id"]) for b in books if b["topic"] == "2000s"])
            bought = stack.post("/buy/9999", {"quantity": 3})
            self.assertEqual(bought.status, 200)
            stack.ctl("reconcile")
            stack.ctl("verify")
        finally:
            stack.destroy()

    def page_through(self, stack, topic, wanted):
        import re
        seen, path = [], f"/search/{topic}?limit=1000"
        while path:
            answer = stack.get(path)
            seen += [b["id"] for b in answer.data]
            link = answer.headers["Link"]
            path = re.match(r"<([^>]+)>", link).group(1) if link else None
        self.assertEqual(seen, sorted(wanted))


if __name__ == "__main__":
    unittest.main()
