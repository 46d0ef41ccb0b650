//! Columns of the old service that cannot hold all of Unicode, since its database was made with latin1 or utf8mb3. On
//! MySQL they get utf8mb4, so that a name is neither refused nor compared wrongly. One that cannot is refused before the
//! server starts: each login and registration would be answered with an error.

use std::collections::BTreeSet;

use crate::store::{Engine, StoreError, Tx};

/// What people write into the old service's tables.
const COLUMNS: &str = "'username', 'email', 'name'";
/// Characters of a column that may have an index over all of it: 3,072 bytes, of four a character.
const LONGEST: i64 = 768;

/// A column with another character set.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Narrow {
    name: String,
    charset: String,
    data_type: String,
    column_type: String,
    length: i64,
    is_nullable: String,
    default: Option<String>,
    /// Words about the default, and about columns that are computed.
    extra: String,
    collation: String,
    comment: String,
}

/// The statements that widen them, where there are any.
///
/// # Errors
/// [`StoreError::Narrow`] where a column has to be changed by hand.
pub async fn statements(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    if tx.engine() != Engine::MySql {
        return Ok(Vec::new());
    }
    let columns = narrow(tx).await?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let (indexed, is_mariadb) = (indexed(tx).await?, is_mariadb(tx).await?);
    let mut changes = Vec::new();
    for column in columns {
        if let Some(why) = column.obstacle(indexed.contains(&column.name)) {
            let Narrow { name, charset, .. } = column;
            return Err(StoreError::Narrow { column: name, charset, why });
        }
        let collation = collation(tx, &column).await?;
        changes.push(column.change(collation, is_mariadb));
    }
    Ok(vec![format!("ALTER TABLE users {}", changes.join(", "))])
}

/// What has to come before all other statements: in the oldest row formats an index holds 767 bytes of a column, which are
/// too few for a long name and for the keys that we add.
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
         CAST(character_maximum_length AS SIGNED) AS length, {} AS is_nullable, {} AS `default`, {} AS extra, \
         {} AS collation, {} AS comment \
         FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users' \
         AND column_name IN ({COLUMNS}) AND character_set_name <> 'utf8mb4' ORDER BY ordinal_position",
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

/// Columns with an index over all of their characters.
async fn indexed(tx: &mut Tx) -> Result<BTreeSet<String>, StoreError> {
    let select = "SELECT DISTINCT CAST(column_name AS CHAR) FROM information_schema.statistics \
                  WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name IS NOT NULL AND sub_part IS NULL";
    Ok(tx.raw_rows::<(String,)>(select).await?.into_iter().map(|(name,)| name).collect())
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

/// The collation that compares as the column does now, as far as the values that are there can tell: a unique index
/// must not find two of them equal that were not.
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

impl Narrow {
    /// Why it has to be changed by hand, if it has.
    fn obstacle(&self, is_indexed: bool) -> Option<&'static str> {
        if !["varchar", "char", "tinytext", "text", "mediumtext", "longtext"].contains(&self.data_type.as_str()) {
            return Some("its type is none that holds any text");
        }
        if self.extra.to_uppercase().replace("DEFAULT_GENERATED", "").contains("GENERATED") {
            return Some("it is computed from other columns");
        }
        (is_indexed && self.length > LONGEST).then_some("it is too long for an index over all of it")
    }

    fn change(&self, collation: &str, is_mariadb: bool) -> String {
        // 255 bytes are fewer than the longest value has.
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

    /// The default as SQL, which MariaDB keeps. MySQL keeps the text alone; as digits it means the same in every mode.
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
            length: 120,
            is_nullable: "YES".into(),
            default: None,
            extra: String::new(),
            collation: "latin1_swedish_ci".into(),
            comment: String::new(),
        }
    }

    #[test]
    fn a_column_keeps_all_but_its_character_set() {
        let mut column = email();
        let text = "MODIFY COLUMN email varchar(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        assert_eq!(column.change("utf8mb4_bin", true), format!("{text} NULL"));
        (column.is_nullable, column.comment) = ("NO".into(), "the user's".into());
        assert_eq!(column.change("utf8mb4_bin", false), format!("{text} NOT NULL COMMENT 'the user''s'"));
    }

    #[test]
    fn a_default_stays_what_it_is() {
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
    fn what_no_statement_can_widen_is_told() {
        let with = |data_type: &str, length, extra: &str| Narrow {
            data_type: data_type.into(),
            length,
            extra: extra.into(),
            ..email()
        };
        for (column, is_indexed, is_refused) in [
            (with("varchar", 768, ""), true, false),
            (with("varchar", 769, ""), true, true),
            (with("varchar", 4_000, "DEFAULT_GENERATED"), false, false),
            (with("varchar", 64, "STORED GENERATED"), false, true),
            (with("text", 65_535, ""), false, false),
            (with("enum", 8, ""), false, true),
        ] {
            assert_eq!(column.obstacle(is_indexed).is_some(), is_refused, "{column:?}");
        }
    }
}
