//! Reads users from JSON lines, or from JSON arrays, a user at a time: memory is bounded by the longest user.

use std::io::{BufRead, Chain, Cursor, Read as _};

/// The most bytes of a user.
pub const LONGEST: usize = 16 * 1024;
/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A user's text, or the problem with it, and the number of the line on which it begins.
pub struct Item {
    pub number: u64,
    pub text: Result<String, String>,
}

/// The users of a file.
pub struct Source<R> {
    reader: Chain<Cursor<Vec<u8>>, R>,
    /// The number of the line that is being read.
    number: u64,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    /// Between two elements of an array; `false` after a comma.
    Array(bool),
    /// The rest cannot be read: the number of the line, and why.
    Unreadable(u64, &'static str),
    End,
}

impl<R: BufRead> Source<R> {
    /// # Errors
    /// If the file is in an encoding other than UTF-8, or compressed.
    pub fn new(mut reader: R) -> anyhow::Result<Self> {
        let mut start = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut start)?;
        refuse_others(&start)?;
        if start.starts_with(MARK) {
            start.drain(..MARK.len());
        }
        let mut source = Self { reader: Cursor::new(start).chain(reader), number: 1, form: Form::Lines };
        source.skip_blanks()?;
        if source.skip(b'[')? {
            source.form = Form::Array(true);
        }
        Ok(source)
    }

    /// The next user; `None` at the end.
    pub fn next(&mut self) -> std::io::Result<Option<Item>> {
        loop {
            match self.form {
                Form::Lines => return self.next_line(),
                Form::Array(is_first) => {
                    if let Some(item) = self.next_element(is_first)? {
                        return Ok(Some(item));
                    }
                }
                Form::Unreadable(number, problem) => {
                    self.form = Form::End;
                    return Ok(Some(Item { number, text: Err(problem.to_owned()) }));
                }
                Form::End => return Ok(None),
            }
        }
    }

    /// The next line that is not empty.
    fn next_line(&mut self) -> std::io::Result<Option<Item>> {
        while self.peek()?.is_some() {
            let number = self.number;
            let mut text = Text::default();
            while let Some(byte) = self.next_byte()?.filter(|byte| *byte != b'\n') {
                text.push(byte);
            }
            if let Some(text) = text.finish() {
                return Ok(Some(Item { number, text }));
            }
        }
        Ok(None)
    }

    /// The next element of the array; `None` if what follows it is next.
    fn next_element(&mut self, is_first: bool) -> std::io::Result<Option<Item>> {
        self.skip_blanks()?;
        let number = self.number;
        let mut element = Element::default();
        let mut text = Text::default();
        let end = loop {
            match self.next_byte()? {
                None => break None,
                Some(byte) if element.is_end(byte) => break Some(byte),
                Some(byte) => text.push(byte),
            }
        };
        self.form = match end {
            Some(b',') => Form::Array(false),
            Some(b']') => self.behind_array()?,
            Some(_) => Form::Unreadable(number, "a closing brace without an opening one; what follows was not read"),
            None => Form::Unreadable(number, "the file ends before the array does"),
        };
        let text = match text.finish() {
            Some(_) if end.is_none() && element.is_open() => return Ok(None),
            Some(text) => text,
            None if end == Some(b',') || end == Some(b']') && !is_first => {
                Err("not JSON: a comma without a user".to_owned())
            }
            None => return Ok(None),
        };
        Ok(Some(Item { number, text }))
    }

    /// Files that were appended to each other have several arrays, or lines behind an array.
    fn behind_array(&mut self) -> std::io::Result<Form> {
        self.skip_blanks()?;
        let has_mark = self.skip(0xef)? && self.skip(0xbb)? && self.skip(0xbf)?;
        if has_mark {
            self.skip_blanks()?;
        }
        Ok(match self.peek()? {
            None => Form::End,
            Some(b'{') => Form::Lines,
            Some(b'[') => {
                self.next_byte()?;
                Form::Array(true)
            }
            Some(_) => Form::Unreadable(self.number, "text behind the end of the array, which was not read"),
        })
    }

    fn skip_blanks(&mut self) -> std::io::Result<()> {
        while self.peek()?.is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.next_byte()?;
        }
        Ok(())
    }

    fn peek(&mut self) -> std::io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn next_byte(&mut self) -> std::io::Result<Option<u8>> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.reader.consume(1);
        }
        self.number += u64::from(byte == Some(b'\n'));
        Ok(byte)
    }

    /// Reads the byte if it is the next one.
    fn skip(&mut self, byte: u8) -> std::io::Result<bool> {
        let is_next = self.peek()? == Some(byte);
        if is_next {
            self.next_byte()?;
        }
        Ok(is_next)
    }
}

fn refuse_others(start: &[u8]) -> anyhow::Result<()> {
    if let Some(tool) = decompressor(start) {
        anyhow::bail!("the file is compressed; decompress it first, such as with {tool}");
    }
    let is_first = |byte: u8| b"{[ \t\r\n".contains(&byte);
    let encoding = match *start {
        [0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        // Without a mark, the first character shows it.
        [0, 0, 0, byte] if is_first(byte) => "UTF-32BE",
        [byte, 0, 0, 0] if is_first(byte) => "UTF-32LE",
        [0, byte, ..] if is_first(byte) => "UTF-16BE",
        [byte, 0, ..] if is_first(byte) => "UTF-16LE",
        _ => return Ok(()),
    };
    anyhow::bail!("the file is {encoding}; convert it first: iconv -f {encoding} -t UTF-8 FILE > NEW")
}

fn decompressor(start: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], _); 7] = [
        (b"\x1f\x8b", "gunzip"),
        (b"BZh", "bunzip2"),
        (b"\xfd7zX", "unxz"),
        (b"\x28\xb5\x2f\xfd", "unzstd"),
        (b"\x04\x22\x4d\x18", "unlz4"),
        (b"PK\x03\x04", "unzip"),
        (b"7z\xbc\xaf", "7z x"),
    ];
    kinds.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, tool)| *tool)
}

/// The bytes of a user, up to the limit.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Text {
    fn push(&mut self, byte: u8) {
        if self.bytes.len() < LONGEST {
            self.bytes.push(byte);
        } else {
            self.is_too_long |= !byte.is_ascii_whitespace();
        }
    }

    /// `None` if there is nothing but white space.
    fn finish(self) -> Option<Result<String, String>> {
        if self.is_too_long {
            return Some(Err(format!("longer than {LONGEST} bytes")));
        }
        match String::from_utf8(self.bytes) {
            Ok(text) => {
                // Files that were appended to each other have marks inside.
                let text = text.trim().trim_start_matches('\u{feff}').trim();
                (!text.is_empty()).then(|| Ok(text.to_owned()))
            }
            Err(error) => {
                let place = error.utf8_error().valid_up_to() + 1;
                Some(Err(format!(
                    "not UTF-8 at byte {place}; convert the file first, such as with: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
                )))
            }
        }
    }
}

/// Finds the end of an element.
#[derive(Default)]
struct Element {
    depth: usize,
    is_string: bool,
    is_escaped: bool,
}

impl Element {
    /// Whether the byte ends the element: a comma, or the bracket of the array. In UTF-8 no other character contains
    /// these bytes.
    fn is_end(&mut self, byte: u8) -> bool {
        if self.is_string {
            self.is_string = self.is_escaped || byte != b'"';
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            return false;
        }
        match byte {
            b'"' => self.is_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => self.depth -= 1,
            b',' | b'}' | b']' => return self.depth == 0,
            _ => {}
        }
        false
    }

    /// Whether a brace, a bracket or a string is not closed.
    fn is_open(&self) -> bool {
        self.is_string || self.depth > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of the line and the text, or the problem, of each user.
    fn items(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut source = Source::new(bytes).unwrap();
        std::iter::from_fn(|| source.next().unwrap())
            .map(|item| (item.number, item.text.unwrap_or_else(|problem| format!("problem: {problem}"))))
            .collect()
    }

    fn refusal(bytes: &[u8]) -> String {
        Source::new(bytes).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn owned(items: &[(u64, &str)]) -> Vec<(u64, String)> {
        items.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
    }

    #[test]
    fn lines_are_numbered_whatever_ends_them() {
        let expected = owned(&[(1, "{\"a\":1}"), (3, "{\"b\":2}"), (4, "{\"c\":")]);
        for text in ["{\"a\":1}\n\n{\"b\":2}\n{\"c\":", "\u{feff}{\"a\":1}\r\n \r\n\u{feff}{\"b\":2}\r\n{\"c\":\r\n"] {
            assert_eq!(items(text.as_bytes()), expected);
        }
        assert!(items(b"").is_empty() && items(b"\n\n").is_empty());
    }

    #[test]
    fn what_is_not_utf_8_is_refused_with_what_to_do() {
        let found = items(b"{\"name\":\"a\"}\n{\"name\":\"J\xf6rg\"}\n{\"b\":1}\n");
        assert_eq!((found[0].0, found[2].1.as_str()), (1, "{\"b\":1}"));
        assert!(found[1].1.contains("not UTF-8 at byte 11") && found[1].1.contains("iconv"), "{}", found[1].1);
        assert!(items(b"[{\"name\":\"J\xf6rg\"},\n2]")[0].1.contains("not UTF-8"));
        for (bytes, encoding) in [
            (b"\xff\xfe{\0\"\0".as_slice(), "UTF-16"),
            (b"\xfe\xff\0{\0\"".as_slice(), "UTF-16"),
            (b"{\0\"\0".as_slice(), "UTF-16LE"),
            (b"\0[\0{".as_slice(), "UTF-16BE"),
            (b"\xff\xfe\0\0{\0\0\0".as_slice(), "UTF-32"),
            (b"{\0\0\0".as_slice(), "UTF-32LE"),
            (b"\0\0\0[".as_slice(), "UTF-32BE"),
            (b"\n\0{\0".as_slice(), "UTF-16LE"),
            (b"\x1f\x8b\x08\x00".as_slice(), "gunzip"),
            (b"BZh91AY".as_slice(), "bunzip2"),
            (b"\xfd7zXZ\0".as_slice(), "unxz"),
            (b"\x28\xb5\x2f\xfd\x04".as_slice(), "unzstd"),
            (b"PK\x03\x04\x14".as_slice(), "unzip"),
        ] {
            assert!(refusal(bytes).contains(encoding), "{}", refusal(bytes));
        }
        for part in [b"\xef".as_slice(), b"\xef\xbb", b"\xef\xbb{\"a\":1}"] {
            assert!(items(part)[0].1.contains("not UTF-8 at byte 1"), "{part:?}");
        }
    }

    #[test]
    fn a_long_line_is_refused_and_the_next_is_read() {
        let long = format!("{}\n{{\"b\":1}}\n", "x".repeat(3 * LONGEST));
        let found = items(long.as_bytes());
        assert_eq!(found, owned(&[(1, "problem: longer than 16384 bytes"), (2, "{\"b\":1}")]));
        let array = format!("[\"{}\",\n1]", "x".repeat(3 * LONGEST));
        assert_eq!(items(array.as_bytes()), owned(&[(1, "problem: longer than 16384 bytes"), (2, "1")]));
        let longest = format!("{}\r\n", "x".repeat(LONGEST));
        assert_eq!(items(longest.as_bytes())[0].1.len(), LONGEST);
    }

    #[test]
    fn an_array_is_read_an_element_at_a_time() {
        let text = "\u{feff} [ {\"a\": \"],}\\\"\",\n \"b\": [1, {}]}\n , {\"c\": \"\\\\\"} ]\n\n";
        let expected = owned(&[(1, "{\"a\": \"],}\\\"\",\n \"b\": [1, {}]}"), (3, "{\"c\": \"\\\\\"}")]);
        assert_eq!(items(text.as_bytes()), expected);
        assert!(items(b"[]").is_empty() && items(b" [ \n ] ").is_empty());
    }

    #[test]
    fn damage_to_an_array_is_reported_and_costs_no_other_user() {
        const BEHIND: &str = "problem: text behind the end of the array, which was not read";
        const BRACE: &str = "problem: a closing brace without an opening one; what follows was not read";
        const ENDS: &str = "problem: the file ends before the array does";
        const COMMA: &str = "problem: not JSON: a comma without a user";
        for (text, expected) in [
            ("[1,\n2,\n]", [(1, "1"), (2, "2"), (3, COMMA)].as_slice()),
            ("[1,,2]", &[(1, "1"), (1, COMMA), (1, "2")]),
            ("[,]", &[(1, COMMA), (1, COMMA)]),
            ("[1,\n{\"a\":", &[(1, "1"), (2, ENDS)]),
            ("[1,\n\"a", &[(1, "1"), (2, ENDS)]),
            ("[", &[(1, ENDS)]),
            ("[1", &[(1, "1"), (1, ENDS)]),
            ("[1,\n{\"a\":1}\n", &[(1, "1"), (2, "{\"a\":1}"), (2, ENDS)]),
            ("[1}]", &[(1, "1"), (1, BRACE)]),
            ("[1]]", &[(1, "1"), (1, BEHIND)]),
            ("[1]\n\x1a", &[(1, "1"), (2, BEHIND)]),
            ("[1,2]\0\0", &[(1, "1"), (1, "2"), (1, BEHIND)]),
            ("[1],[2]", &[(1, "1"), (1, BEHIND)]),
            ("[]x", &[(1, BEHIND)]),
        ] {
            assert_eq!(items(text.as_bytes()), owned(expected), "{text:?}");
        }
    }

    #[test]
    fn arrays_and_lines_behind_an_array_are_read() {
        for (text, expected) in [
            ("[1]\n[2]", [(1, "1"), (2, "2")].as_slice()),
            ("[]\n[ ][1,2]\r\n\u{feff}[3]", &[(2, "1"), (2, "2"), (3, "3")]),
            ("[1]\n{\"a\":2}\n{\"b\":3}\n", &[(1, "1"), (2, "{\"a\":2}"), (3, "{\"b\":3}")]),
        ] {
            assert_eq!(items(text.as_bytes()), owned(expected), "{text:?}");
        }
        assert!(items("[]".repeat(100_000).as_bytes()).is_empty());
    }
}
