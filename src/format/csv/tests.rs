use super::super::samples::cut_into;
use super::*;

/// The fields of all records after the header as text, or the first defect.
fn records(file: &str, cut: usize) -> Result<Vec<Vec<String>>, String> {
    let mut reader = cut_into(file.as_bytes(), cut);
    let mut records = Records::new(&mut reader);
    let text = |record: Record<'_>| -> Result<Vec<String>> {
        (0..record.len()).map(|index| Ok(record.field(index).text()?.into_owned())).collect()
    };
    let mut all = Vec::new();
    let mut read = || -> Result<()> {
        all.extend(records.header()?.map(text).transpose()?);
        while let Some(record) = records.next()? {
            all.push(text(record)?);
        }
        Ok(())
    };
    read().map_err(|error| error.to_string())?;
    Ok(all)
}

#[test]
fn fields_with_and_without_quotes() {
    for (file, expected) in [
        ("a,b\n1,2\n", vec![vec!["a", "b"], vec!["1", "2"]]),
        ("a,b\r\n1,2", vec![vec!["a", "b"], vec!["1", "2"]]),
        ("\u{feff}a,b\n,\n", vec![vec!["a", "b"], vec!["", ""]]),
        ("\"a\",\"b\"\r\n\"1,2\",\"\"\r\n", vec![vec!["a", "b"], vec!["1,2", ""]]),
        ("a\n\"one\ntwo\r\n\n\"\n\"\"\"x\"\"\"\n", vec![vec!["a"], vec!["one\ntwo\r\n\n"], vec!["\"x\""]]),
        ("a,b\n\"\"\"\n\"\"\",c", vec![vec!["a", "b"], vec!["\"\n\"", "c"]]),
        ("a\n\n", vec![vec!["a"], vec![""]]),
        ("", vec![]),
    ] {
        for cut in [1, 2, 3, 4096] {
            assert_eq!(records(file, cut).unwrap(), expected, "{file:?}");
        }
    }
}

#[test]
fn quotes_that_are_wrong_are_named_with_their_line_and_column() {
    for (file, message) in [
        (
            "a,b\n1,\"2\n3,4\n5,6\n",
            "line 2, column 3: expected a double quote that ends this field, found the end of the file",
        ),
        (
            "a,b\n1,\"2\"3\n",
            "line 2, column 6: expected a comma or the end of the line after a double quote, found \"3\"",
        ),
        (
            "a,b\n\"1\n1\n1\",2\"\n",
            "line 4, column 5: expected a field without double quotes, or all in them, found \"\\\"\"",
        ),
        (
            "a,b\n1,\"\"\"\n",
            "line 2, column 3: expected a double quote that ends this field, found the end of the file",
        ),
    ] {
        for cut in [1, 4096] {
            assert_eq!(records(file, cut).unwrap_err(), message, "{file:?}");
        }
    }
    for header in ["x".repeat(5000), format!("\"{}", "x\n".repeat(3000))] {
        assert!(records(&header, 4096).unwrap_err().contains("a header of fewer than 4096 bytes"));
    }
    assert!(records(&format!("a\n{}\n", "x".repeat(5000)), 4096).is_ok());
}

#[test]
fn places_and_words_go_on_in_the_next_line() {
    let file = b"a,b\n\" 1 2\r\n\n3 \n 4 x\n\",\"\"\n";
    let mut reader = &file[..];
    let mut records = Records::new(&mut reader);
    records.header().unwrap();
    let record = records.next().unwrap().unwrap();
    let mut words = record.field(0).words().unwrap();
    for expected in [1, 2, 3, 4] {
        assert_eq!(words.number("a number").unwrap(), expected);
        words.separator("one space").unwrap();
    }
    let error = words.number("a number").unwrap_err();
    assert_eq!(error.to_string(), "line 5, column 4: expected a number (digits), found \"x\"");
    assert!(record.field(1).words().unwrap().is_at_end());
    assert!(records.next().unwrap().is_none());
}

#[test]
fn a_space_after_a_comma_is_passed_over_for_numbers() {
    let mut reader = &b"a, b\nx, 1\ny,  1\n"[..];
    let mut records = Records::new(&mut reader);
    assert_eq!(records.header().unwrap().unwrap().field(1).text().unwrap(), " b");
    assert_eq!(records.next().unwrap().unwrap().field(1).words().unwrap().rest(), b"1");
    assert_eq!(records.next().unwrap().unwrap().field(1).words().unwrap().rest(), b" 1");
}
