//! Converts columns of the legacy service that cannot store all of Unicode, because its database was created with
//! latin1 or utf8mb3. On MySQL they get utf8mb4, so that no name is refused or compared wrongly. If a column cannot be
//! converted, the server does not start: each login and registration would fail.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Engine, StoreError, Tx};

/// The columns of the legacy service for text that people enter.
const COLUMNS: &str = "'username', 'email', 'name'";
/// The most bytes of an index entry.
const INDEX: i64 = 3_072;
/// The most bytes of a row, without the contents of `TEXT` and `BLOB`.
const ROW: i64 = 65_535;
/// The most bytes of our own columns in a row.
const OUR_COLUMNS: i64 = 4 * (255 * 4 + 2) + 16;

/// A column with another character set.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Narrow {
    name: String,
    charset: String,
    data_type: String,
    column_type: String,
    is_nullable: String,
    default: Option<String>,
    /// The column `extra`, about defaults and computed columns.
    extra: String,
    collation: String,
    comment: String,
}

/// The statements that convert such columns. They come before those that add columns: if the database refuses one,
/// nothing has changed yet.
///
/// # Errors
/// [`StoreError::Narrow`] if a column has to be changed manually.
pub async fn statements(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    if tx.engine() != Engine::MySql {
        return Ok(Vec::new());
    }
    let columns = narrow(tx).await?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let fits = Fits { in_long_indexes: in_long_indexes(tx).await?, row: row_size(tx).await? };
    let is_mariadb = is_mariadb(tx).await?;
    let mut changes = Vec::new();
    for column in columns {
        if let Some(why) = column.obstacle(&fits) {
            let Narrow { name, charset, .. } = column;
            return Err(StoreError::Narrow { column: name, charset, why });
        }
        let collation = collation(tx, &column).await?;
        changes.push(column.change(collation, is_mariadb));
    }
    Ok(vec![format!("ALTER TABLE users {}", changes.join(", "))])
}

/// The statement that must come before all others: in the oldest row formats, an index contains at most 767 bytes of a
/// column, too few for a long name and for the keys that we add.
pub async fn row_format(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    if tx.engine() != Engine::MySql {
        return Ok(None);
    }
    Ok(has_old_row_format(tx).await?.then(|| "ALTER TABLE users ROW_FORMAT = DYNAMIC".to_owned()))
}

async fn narrow(tx: &mut Tx) -> Result<Vec<Narrow>, StoreError> {
    let text = |column: &str| format!("CAST({column} AS CHAR)");
    let select = format!(
        "SELECT {} AS name, {} AS charset, {} AS data_type, {} AS column_type, \
         {} AS is_nullable, {} AS `default`, {} AS extra, \
         {} AS collation, {} AS comment \
         FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users' \
         AND column_name IN ({COLUMNS}) AND character_set_name <> 'utf8mb4' ORDER BY character_maximum_length DESC",
        text("column_name"),
        text("character_set_name"),
        text("data_type"),
        text("column_type"),
        text("is_nullable"),
        text("column_default"),
        text("extra"),
        text("collation_name"),
        text("column_comment"),
    );
    tx.raw_rows(&select).await
}

/// The bytes of a text column after the conversion; `chars` is the length of the column, or of its part in an index.
fn widened(chars: &str) -> String {
    format!(
        "CASE WHEN c.character_set_name IS NULL THEN COALESCE({chars}, 8) \
         WHEN c.column_name IN ({COLUMNS}) THEN {chars} * 4 ELSE {chars} * k.maxlen END"
    )
}

const OF_USERS: &str = "FROM information_schema.columns c \
                        LEFT JOIN information_schema.character_sets k ON k.character_set_name = c.character_set_name";

/// Columns in an index that would have too many bytes. Only B-trees have this limit.
async fn in_long_indexes(tx: &mut Tx) -> Result<BTreeSet<String>, StoreError> {
    let bytes = widened("COALESCE(s.sub_part, c.character_maximum_length)");
    let select = format!(
        "SELECT CAST(s.index_name AS CHAR), CAST(s.column_name AS CHAR), CAST({bytes} AS SIGNED) {OF_USERS} \
         JOIN information_schema.statistics s ON s.table_schema = c.table_schema AND s.table_name = c.table_name \
         AND s.column_name = c.column_name \
         WHERE c.table_schema = DATABASE() AND c.table_name = 'users' AND s.index_type = 'BTREE'"
    );
    let rows: Vec<(String, String, i64)> = tx.raw_rows(&select).await?;
    let mut sizes = BTreeMap::<&str, i64>::new();
    for (index, _, bytes) in &rows {
        *sizes.entry(index).or_default() += bytes;
    }
    let is_long = |index: &str| sizes.get(index).is_some_and(|size| *size > INDEX);
    Ok(rows.iter().filter(|(index, ..)| is_long(index)).map(|(_, column, _)| column.clone()).collect())
}

/// The most bytes of a row after the conversion of all columns.
async fn row_size(tx: &mut Tx) -> Result<i64, StoreError> {
    let bytes = widened("c.character_maximum_length");
    let select = format!(
        "SELECT CAST(SUM(CASE WHEN c.data_type LIKE '%text' OR c.data_type LIKE '%blob' THEN 12 \
         WHEN c.data_type IN ('enum', 'set') THEN 8 ELSE {bytes} + 2 END) AS SIGNED) {OF_USERS} \
         WHERE c.table_schema = DATABASE() AND c.table_name = 'users' AND c.column_name NOT IN ('username_key', 'email_key', 'username_fold', 'email_fold')"
    );
    let sizes: Vec<(Option<i64>,)> = tx.raw_rows(&select).await?;
    Ok(sizes.into_iter().filter_map(|(size,)| size).sum::<i64>() + OUR_COLUMNS)
}

async fn has_old_row_format(tx: &mut Tx) -> Result<bool, StoreError> {
    let select = "SELECT CAST(row_format AS CHAR) FROM information_schema.tables \
                  WHERE table_schema = DATABASE() AND table_name = 'users'";
    let formats: Vec<(Option<String>,)> = tx.raw_rows(select).await?;
    let is_old = |format: &str| ["compact", "redundant"].contains(&format.to_lowercase().as_str());
    Ok(formats.iter().any(|(format,)| format.as_deref().is_some_and(is_old)))
}

async fn is_mariadb(tx: &mut Tx) -> Result<bool, StoreError> {
    let versions: Vec<(String,)> = tx.raw_rows("SELECT CAST(VERSION() AS CHAR)").await?;
    Ok(versions.iter().any(|(version,)| version.to_lowercase().contains("mariadb")))
}

/// The collation that compares like the column's present one, judging by the existing values: a unique index must not
/// treat two of them as equal that were different.
async fn collation(tx: &mut Tx, column: &Narrow) -> Result<&'static str, StoreError> {
    const BYTEWISE: &str = "utf8mb4_bin";
    if !column.collation.ends_with("_ci") {
        return Ok(BYTEWISE);
    }
    let candidate = if column.collation.ends_with("_unicode_ci") { "utf8mb4_unicode_ci" } else { "utf8mb4_general_ci" };
    let name = &column.name;
    let count = format!(
        "SELECT COUNT(DISTINCT {name}), COUNT(DISTINCT CONVERT({name} USING utf8mb4) COLLATE {candidate}) FROM users"
    );
    let counts: Vec<(i64, i64)> = tx.raw_rows(&count).await?;
    Ok(if counts.iter().all(|(before, after)| before == after) { candidate } else { BYTEWISE })
}

/// The limits on the length of columns.
#[derive(Debug, Default)]
struct Fits {
    in_long_indexes: BTreeSet<String>,
    /// The bytes of a row.
    row: i64,
}

impl Narrow {
    /// The reason why the column has to be changed manually, if any.
    fn obstacle(&self, fits: &Fits) -> Option<&'static str> {
        if !["varchar", "char", "tinytext", "text", "mediumtext", "longtext"].contains(&self.data_type.as_str()) {
            return Some("its type is not a text type");
        }
        if self.extra.to_uppercase().replace("DEFAULT_GENERATED", "").contains("GENERATED") {
            return Some("it is computed from other columns");
        }
        if fits.in_long_indexes.contains(&self.name) {
            return Some("one of its indexes would have more than 3,072 bytes");
        }
        let is_in_row = !self.data_type.ends_with("text");
        (is_in_row && fits.row > ROW).then_some("a row would have more than 65,535 bytes")
    }

    fn change(&self, collation: &str, is_mariadb: bool) -> String {
        // The 255 bytes of `tinytext` are too few for the longest value.
        let column_type = if self.data_type == "tinytext" { "text" } else { &self.column_type };
        let presence = if self.is_nullable == "NO" { "NOT NULL" } else { "NULL" };
        let default = self.default(is_mariadb).map(|value| format!(" DEFAULT {value}")).unwrap_or_default();
        let comment = if self.comment.is_empty() {
            String::new()
        } else {
            format!(" COMMENT '{}'", self.comment.replace('\\', "").replace('\'', "''"))
        };
        format!(
            "MODIFY COLUMN {} {column_type} CHARACTER SET utf8mb4 COLLATE {collation} {presence}{default}{comment}",
            self.name
        )
    }

    /// The default as SQL, as MariaDB stores it. MySQL stores the plain text, which hexadecimal digits can express in
    /// every SQL mode.
    fn default(&self, is_mariadb: bool) -> Option<String> {
        let value = self.default.as_deref()?;
        if is_mariadb {
            return match value {
                "NULL" => None,
                literal if literal.starts_with('\'') => Some(literal.to_owned()),
                expression => Some(format!("({expression})")),
            };
        }
        if self.extra.to_uppercase().contains("DEFAULT_GENERATED") {
            return Some(format!("({})", value.replace("\\'", "'")));
        }
        let digits = value.bytes().fold(String::new(), |digits, byte| format!("{digits}{byte:02X}"));
        Some(format!("_utf8mb4 X'{digits}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email() -> Narrow {
        Narrow {
            name: "email".into(),
            charset: "latin1".into(),
            data_type: "varchar".into(),
            column_type: "varchar(120)".into(),
            is_nullable: "YES".into(),
            default: None,
            extra: String::new(),
            collation: "latin1_swedish_ci".into(),
            comment: String::new(),
        }
    }

    #[test]
    fn only_the_character_set_of_a_column_changes() {
        let mut column = email();
        let text = "MODIFY COLUMN email varchar(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        assert_eq!(column.change("utf8mb4_bin", true), format!("{text} NULL"));
        (column.is_nullable, column.comment) = ("NO".into(), "the user's".into());
        assert_eq!(column.change("utf8mb4_bin", false), format!("{text} NOT NULL COMMENT 'the user''s'"));
    }

    #[test]
    fn a_default_is_preserved() {
        let with = |default: &str, extra: &str, is_mariadb| {
            Narrow { default: Some(default.into()), extra: extra.into(), ..email() }.default(is_mariadb)
        };
        assert_eq!(with("NULL", "", true), None);
        assert_eq!(with("'it''s'", "", true).unwrap(), "'it''s'");
        assert_eq!(with("concat('a','b')", "", true).unwrap(), "(concat('a','b'))");
        assert_eq!(with("NULL", "", false).unwrap(), "_utf8mb4 X'4E554C4C'", "a text of four letters");
        assert_eq!(with("", "", false).unwrap(), "_utf8mb4 X''");
        assert_eq!(with(r"concat(\'a\')", "DEFAULT_GENERATED", false).unwrap(), "(concat('a'))");
        assert_eq!(email().default(true), None);
    }

    #[test]
    fn columns_that_cannot_be_converted_are_reported() {
        let with =
            |data_type: &str, extra: &str| Narrow { data_type: data_type.into(), extra: extra.into(), ..email() };
        let fits = || Fits { in_long_indexes: BTreeSet::from(["name".into()]), row: ROW };
        let in_long_index = || Fits { in_long_indexes: BTreeSet::from(["email".into()]), row: 0 };
        let in_long_row = || Fits { row: ROW + 1, ..Fits::default() };
        for (column, fits, is_refused) in [
            (with("varchar", ""), fits(), false),
            (with("varchar", ""), in_long_index(), true),
            (with("text", ""), in_long_index(), true),
            (with("varchar", ""), in_long_row(), true),
            (with("text", ""), in_long_row(), false),
            (with("varchar", "DEFAULT_GENERATED"), fits(), false),
            (with("varchar", "STORED GENERATED"), fits(), true),
            (with("enum", ""), fits(), true),
        ] {
            assert_eq!(column.obstacle(&fits).is_some(), is_refused, "{column:?}, {fits:?}");
        }
    }
}
