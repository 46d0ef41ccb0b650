//! Columns of the old service that cannot hold all of Unicode, since its database was made with latin1 or utf8mb3. On
//! MySQL they get utf8mb4, so that a name is neither refused nor compared wrongly.

use crate::store::{Engine, StoreError, Tx};

/// What people write into the old service's tables.
const COLUMNS: &str = "'username', 'email', 'name'";
/// Characters of a column that may have an index: 767 bytes, in the oldest row formats, of four a character.
const LONGEST: u64 = 191;

/// A column with another character set.
#[derive(sqlx::FromRow)]
struct Narrow {
    name: String,
    length: i64,
    is_nullable: String,
    default: Option<String>,
    collation: String,
    comment: String,
}

/// The statements that widen them, where there are any.
pub async fn statements(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    if tx.engine() != Engine::MySql {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    for column in narrow(tx).await? {
        let collation = collation(tx, &column).await?;
        changes.push(column.change(collation));
    }
    Ok(if changes.is_empty() { Vec::new() } else { vec![format!("ALTER TABLE users {}", changes.join(", "))] })
}

/// A default that is not NULL, which the old service has not, is left alone.
async fn narrow(tx: &mut Tx) -> Result<Vec<Narrow>, StoreError> {
    let select = format!(
        "SELECT CAST(column_name AS CHAR) AS name, CAST(character_maximum_length AS SIGNED) AS length, \
         CAST(is_nullable AS CHAR) AS is_nullable, CAST(column_default AS CHAR) AS `default`, \
         CAST(collation_name AS CHAR) AS collation, CAST(column_comment AS CHAR) AS comment \
         FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users' \
         AND column_name IN ({COLUMNS}) AND data_type = 'varchar' AND character_set_name <> 'utf8mb4' \
         AND character_maximum_length <= {LONGEST} ORDER BY ordinal_position"
    );
    let columns: Vec<Narrow> = tx.raw_rows(&select).await?;
    // MariaDB writes NULL for it.
    Ok(columns.into_iter().filter(|column| column.default.as_deref().is_none_or(|value| value == "NULL")).collect())
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
    fn change(&self, collation: &str) -> String {
        let presence = if self.is_nullable == "NO" { "NOT NULL" } else { "NULL" };
        let comment = if self.comment.is_empty() {
            String::new()
        } else {
            format!(" COMMENT '{}'", self.comment.replace('\\', "").replace('\'', "''"))
        };
        format!(
            "MODIFY COLUMN {} VARCHAR({}) CHARACTER SET utf8mb4 COLLATE {collation} {presence}{comment}",
            self.name, self.length
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_keeps_all_but_its_character_set() {
        let mut column = Narrow {
            name: "email".into(),
            length: 120,
            is_nullable: "YES".into(),
            default: None,
            collation: "latin1_swedish_ci".into(),
            comment: String::new(),
        };
        let text = "MODIFY COLUMN email VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        assert_eq!(column.change("utf8mb4_bin"), format!("{text} NULL"));
        (column.is_nullable, column.comment) = ("NO".into(), "the user's".into());
        assert_eq!(column.change("utf8mb4_bin"), format!("{text} NOT NULL COMMENT 'the user''s'"));
    }
}
