//! Tables as comma-separated values (RFC 4180, with line feeds).

/// The header and then every row, each with a value for each column.
pub(super) fn table<H, R>(header: H, rows: impl IntoIterator<Item = R>) -> Vec<u8>
where
    H: IntoIterator<Item: AsRef<str>>,
    R: IntoIterator<Item: AsRef<str>>,
{
    let mut text = String::new();
    push_line(&mut text, header);
    rows.into_iter().for_each(|row| push_line(&mut text, row));
    text.into_bytes()
}

fn push_line(text: &mut String, values: impl IntoIterator<Item: AsRef<str>>) {
    for (column, value) in values.into_iter().enumerate() {
        if column > 0 {
            text.push(',');
        }
        push_value(text, value.as_ref());
    }
    text.push('\n');
}

fn push_value(text: &mut String, value: &str) {
    if value.contains([',', '"', '\n', '\r']) {
        text.push('"');
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(value);
    }
}

/// What is not known is an empty value.
pub(super) fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_or_a_value_is_quoted() {
        let rows = [["plain", "a,b"], ["say \"a\"", "two\nlines"]];
        let text = String::from_utf8(table(["x", "y"], rows)).expect("UTF-8");
        assert_eq!(text, "x,y\nplain,\"a,b\"\n\"say \"\"a\"\"\",\"two\nlines\"\n");
    }
}
