"""The shop to read without JavaScript: pages that the workers make."""

import html
import os
import re
import unittest
import urllib.parse

from test_api import ApiCase

ODD = "<script>alert('x')</script> & \"Quotes\""


class Pages(ApiCase):
    def page(self, path, status=200):
        answer = self.stack.get(path)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "text/html; charset=utf-8"), path)
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        text = answer.body.decode()
        self.assertNotRegex(text, r"<script|<style| style=| on\w+=|https?://")
        for asset in re.findall(r'href="(/assets/[^"]+)"', text):
            self.assertEqual(self.stack.get(asset).status, 200, asset)
        return text

    def links(self, text):
        main = text[text.index("<main"):text.index("</main>")]
        return {html.unescape(words): html.unescape(where)
                for where, words in re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(?:<span>)?([^<]+)', main)}

    def test_from_topics_to_a_book(self):
        topics = self.links(self.page("/?plain"))
        self.assertEqual(topics["nature"], "/topic/nature?plain")
        books = self.links(self.page(topics["distributed systems"]))
        book = self.page(books["RPCs for Noobs"])
        self.assertIn("<h1>RPCs for Noobs</h1>", book)
        self.assertIn("<title>RPCs for Noobs · Bazar.com</title>", book)
        self.assertIn("50.00 USD", book)
        self.assertIn("copies on the shelf now", book)

    def test_words_of_people_are_text(self):
        book = self.stack.post("/books", {"title": ODD, "author": ODD, "topic": ODD, "price": 9.99}).data["id"]
        topics = self.links(self.page("/?plain"))
        self.assertIn(ODD, self.links(self.page(topics[ODD])))
        text = self.page(f"/book/{book}?plain")
        self.assertEqual(html.unescape(re.search("<h1>(.*)</h1>", text)[1]), ODD)
        self.assertIn("Sold out", text)
        for words in (ODD, '"><b>', "harry & pot"):
            text = self.page("/find?plain=&" + urllib.parse.urlencode({"q": words}))
            self.assertEqual(html.unescape(re.search('<input id="q" [^>]*value="([^"]*)"', text)[1]), words)
        self.page("/topic/%3Cb%3E%22?plain")
        self.stack.request("DELETE", f"/books/{book}")

    def test_every_book_is_on_one_page(self):
        path = os.path.join(self.stack.run, "many.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("id,title,author,topic,price,quantity\n")
            file.writelines(f"{id},Volume {id} & more,,volumes,1.50,9\n" for id in range(100, 350))
        self.stack.ctl("import", path)
        for path in ("/topic/volumes?plain", "/find?plain&q=volume+%26+more"):
            seen = []
            while path:
                text = self.page(path)
                seen += map(int, re.findall(r'href="/book/(\d+)\?plain"', text))
                more = self.links(text).get("Next page")
                path = more and path.partition("?")[0] + more
            self.assertEqual(sorted(seen), list(range(100, 350)))

    def test_problems_are_pages_too(self):
        self.assertIn("There is no book 999.", self.page("/book/999?plain", 404))
        for path in ("/book/x?plain", "/book/1?plain&x=1", "/find?plain&q=a&after=zz", "/?plain&plain"):
            self.page(path, 400)
        self.assertIn("No book is here.", self.page("/topic/no%20such?plain"))
        self.assertIn("Nothing matches", self.page("/find?plain&q=zzz"))

    def test_what_needs_javascript_says_so(self):
        for path in ("/desk", "/desk/1", "/operations", "/cart", "/purchases", "/order/x"):
            self.assertIn("needs JavaScript", self.stack.get(f"{path}?plain").body.decode())
            self.assertIn('url=?plain"', self.stack.get(path).body.decode())


if __name__ == "__main__":
    unittest.main()
