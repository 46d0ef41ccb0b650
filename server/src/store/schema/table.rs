//! What a table is made of.

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
    pub indexes: &'static [Index],
}

#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub presence: Presence,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A primary key that the database assigns.
    Counter,
    /// The same with 64 bits.
    BigCounter,
    /// A primary key that the server assigns.
    Id,
    /// A textual primary key with this maximum length.
    TextId(u16),
    Int,
    /// Also times, as the seconds of a `UnixTime`.
    BigInt,
    Flag,
    /// Text with this maximum length.
    Text(u16),
    /// The same, compared byte by byte.
    Key(u16),
    /// The legacy service's type for times: UTC, without a time zone.
    DateTime,
    /// The `id` of a user. Deleting the user deletes the row.
    UserId,
    /// The `id` of a role.
    RoleId,
}

#[derive(Debug, Clone, Copy)]
pub enum Presence {
    Required,
    Optional,
    /// Defaults to this number.
    Default(i32),
}

#[derive(Debug)]
pub struct Index {
    pub name: &'static str,
    pub columns: &'static str,
    pub unique: bool,
}

pub const fn column(name: &'static str, kind: Kind, presence: Presence) -> Column {
    Column { name, kind, presence }
}

pub const fn index(name: &'static str, columns: &'static str) -> Index {
    Index { name, columns, unique: false }
}

pub const fn unique(name: &'static str, columns: &'static str) -> Index {
    Index { name, columns, unique: true }
}
