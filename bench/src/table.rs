//! The rows of the table.

pub fn row(what: &str, value: &str) {
    println!("{what:<62} {value}");
}

pub fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}
