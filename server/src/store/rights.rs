//! Finds out, without changing the database, whether it accepts what the server is going to write.

use super::migrate::other_encoding;
use super::{Contents, Engine, Store, StoreError};

impl Store {
    /// Why the server could not write to the database, which has these contents.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn obstacle(&self, contents: &Contents) -> Result<Option<String>, StoreError> {
        match self.engine() {
            Engine::Sqlite => Ok(None),
            Engine::Postgres => self.obstacle_in_postgres(contents).await,
            Engine::MySql => self.obstacle_in_mysql().await,
        }
    }

    async fn obstacle_in_postgres(&self, contents: &Contents) -> Result<Option<String>, StoreError> {
        let sql = "SELECT current_setting('transaction_read_only'), \
                   COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)";
        let mut tx = self.begin_read().await?;
        let rows: Vec<(String, bool)> = tx.raw_rows(sql).await?;
        let Some((read_only, may_create)) = rows.into_iter().next() else { return Ok(None) };
        if read_only == "on" {
            return Ok(Some("it is read-only, as a standby is".to_owned()));
        }
        if *contents == Contents::Empty
            && let Some(encoding) = other_encoding(&mut tx).await?
        {
            return Ok(Some(StoreError::Encoding(encoding).to_string()));
        }
        Ok((!may_create).then(|| {
            "the user cannot create tables; make it the owner of the database (ALTER DATABASE name OWNER TO user), or \
             GRANT ALL ON SCHEMA public TO it"
                .to_owned()
        }))
    }

    async fn obstacle_in_mysql(&self) -> Result<Option<String>, StoreError> {
        let mut tx = self.begin_read().await?;
        let names: Vec<(Option<String>,)> = tx.raw_rows("SELECT DATABASE()").await?;
        if names == [(None,)] {
            return Ok(Some("the address has no name of a database".to_owned()));
        }
        let modes: Vec<(i64,)> = tx.raw_rows("SELECT CAST(@@global.read_only AS SIGNED)").await?;
        if modes == [(1,)] {
            return Ok(Some("it is read-only, as a replica is".to_owned()));
        }
        let grants: Vec<(String,)> = tx.raw_rows("SHOW GRANTS FOR CURRENT_USER()").await?;
        Ok((!grants.iter().any(|(grant,)| may_create(grant)))
            .then(|| "the user cannot create tables; GRANT ALL ON name.* TO it".to_owned()))
    }
}

/// Whether a line of SHOW GRANTS allows to create tables. What a role allows is not in the line.
fn may_create(grant: &str) -> bool {
    let Some((privileges, _)) = grant.trim_start_matches("GRANT ").split_once(" ON ") else { return true };
    privileges.split(',').map(str::trim).any(|privilege| ["ALL PRIVILEGES", "ALL", "CREATE"].contains(&privilege))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_create_tables_is_read_from_each_form_of_a_grant() {
        for grant in [
            "GRANT ALL PRIVILEGES ON `n`.* TO `u`@`%`",
            "GRANT SELECT, INSERT, CREATE, DROP ON *.* TO `u`@`%` WITH GRANT OPTION",
            "GRANT `role`@`%` TO `u`@`%`",
        ] {
            assert!(may_create(grant), "{grant}");
        }
        for grant in [
            "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*0'",
            "GRANT SELECT, CREATE VIEW, CREATE TEMPORARY TABLES ON `n`.* TO `u`@`%`",
        ] {
            assert!(!may_create(grant), "{grant}");
        }
    }
}
