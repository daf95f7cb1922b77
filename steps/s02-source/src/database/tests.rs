//! Each right that a reader must not have is seen, and taken away by one statement; the reader of the agreed columns passes (T1).

use proptest::prelude::*;

use super::*;

fn kinds(facts: &DatabaseFacts) -> Vec<ExcessKind> {
    excess(facts).into_iter().map(|one| one.kind).collect()
}

fn check(change: impl Fn(&mut DatabaseFacts), expected: &[ExcessKind], statement: &str) {
    let mut facts = DatabaseFacts::ordinary();
    change(&mut facts);
    assert_eq!(kinds(&facts), expected, "{statement}");
    let script = script(&facts, &excess(&facts));
    assert!(statement.is_empty() || script.iter().any(|one| one == statement), "{statement} is not in {script:#?}");
}

fn grant(object: Object, right: &str, grantee: Option<&str>) -> Grant {
    let (grantor, owner) = ("crm_owner".to_owned(), "crm_owner".to_owned());
    Grant { object, right: right.to_owned(), grantee: grantee.map(str::to_owned), grantor, owner, grantable: false }
}

fn relation(name: &str) -> Object {
    Object::Relation { schema: "crm".into(), name: name.into() }
}

fn column(column: &str) -> Object {
    Object::Column { schema: "crm".into(), name: "customers".into(), column: column.into() }
}

/// The reader may become `writer`, whether or not it inherits.
fn member_of(facts: &mut DatabaseFacts, role: &str) {
    facts.roles.push(RoleAttributes { name: role.into(), ..RoleAttributes::default() });
    let member = facts.role.clone();
    facts.memberships.push(Membership { role: role.into(), member, grantor: Some("postgres".into()), admin: false });
}

#[test]
fn a_reader_of_the_agreed_columns_has_nothing_too_much() {
    check(|_| (), &[], "");
    assert_eq!(script(&DatabaseFacts::ordinary(), &[]), Vec::<String>::new());
}

#[test]
fn the_whole_table_may_be_read_only_where_all_of_it_is_agreed() {
    check(
        |facts| facts.grants.push(grant(relation("customers"), "SELECT", Some("reader"))),
        &[ExcessKind::OtherColumn],
        "REVOKE SELECT ON TABLE \"crm\".\"customers\" FROM \"reader\"",
    );
    check(
        |facts| {
            facts.grants.push(grant(relation("customers"), "SELECT", Some("reader")));
            facts.relation.columns.retain(|column| column != "email");
        },
        &[],
        "",
    );
}

#[test]
fn a_role_that_is_only_reached_by_set_role_counts() {
    check(
        |facts| {
            member_of(facts, "writer");
            facts.grants.push(grant(relation("customers"), "UPDATE", Some("writer")));
        },
        &[ExcessKind::Write],
        "REVOKE \"writer\" FROM \"reader\"",
    );
}

#[test]
fn a_chain_is_cut_where_the_reader_begins_it() {
    let chain = |facts: &mut DatabaseFacts| {
        member_of(facts, "analysts");
        facts.roles.push(RoleAttributes { name: "pg_write_all_data".into(), ..RoleAttributes::default() });
        let step = Membership {
            role: "pg_write_all_data".into(),
            member: "analysts".into(),
            grantor: Some("postgres".into()),
            admin: false,
        };
        facts.memberships.push(step);
    };
    check(chain, &[ExcessKind::PredefinedRole], "REVOKE \"analysts\" FROM \"reader\"");
    let later = |facts: &mut DatabaseFacts| {
        chain(facts);
        facts.server = 160_004;
    };
    check(later, &[ExcessKind::PredefinedRole], "REVOKE \"analysts\" FROM \"reader\" GRANTED BY \"postgres\"");
}

#[test]
fn a_role_that_gives_only_what_was_agreed_is_no_excess() {
    check(
        |facts| {
            member_of(facts, "readers");
            facts.grants.push(grant(column("tenure"), "SELECT", Some("readers")));
        },
        &[],
        "",
    );
}

#[test]
fn everything_else_that_a_role_can_be_given_counts() {
    let one = |object: &Object, right: &str, kind: ExcessKind, statement: &str| {
        check(|facts| facts.grants.push(grant(object.clone(), right, None)), &[kind], statement);
    };
    let named = |name: &str| name.to_owned();
    one(&relation("orders"), "SELECT", ExcessKind::OtherRelation, "REVOKE SELECT ON TABLE \"crm\".\"orders\" FROM PUBLIC");
    one(&relation("customers"), "MAINTAIN", ExcessKind::Write, "REVOKE MAINTAIN ON TABLE \"crm\".\"customers\" FROM PUBLIC");
    let statement = "REVOKE UPDATE (\"tenure\") ON TABLE \"crm\".\"customers\" FROM PUBLIC";
    one(&column("tenure"), "UPDATE", ExcessKind::Write, statement);
    let statement = "REVOKE SELECT (\"email\") ON TABLE \"crm\".\"customers\" FROM PUBLIC";
    one(&column("email"), "SELECT", ExcessKind::OtherColumn, statement);
    let sequence = Object::Sequence { schema: named("crm"), name: named("ids") };
    one(&sequence, "USAGE", ExcessKind::Sequence, "REVOKE USAGE ON SEQUENCE \"crm\".\"ids\" FROM PUBLIC");
    let routine_in = |schema: &str, untrusted: bool| {
        let (name, arguments) = (named("f"), named("a integer"));
        Object::Routine { schema: named(schema), name, arguments, untrusted }
    };
    let routine = |schema: &str| routine_in(schema, false);
    let statement = "REVOKE EXECUTE ON ROUTINE \"crm\".\"f\"(a integer) FROM PUBLIC";
    one(&routine("crm"), "EXECUTE", ExcessKind::SecurityDefiner, statement);
    one(&routine_in("crm", true), "EXECUTE", ExcessKind::UntrustedLanguage, statement);
    one(&routine("pg_catalog"), "EXECUTE", ExcessKind::Catalogue, "");
    one(
        &Object::Schema { name: named("public") },
        "CREATE",
        ExcessKind::SchemaCreate,
        "REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC",
    );
    let database = Object::Database { name: named("crm") };
    one(&database, "TEMPORARY", ExcessKind::Temporary, "REVOKE TEMPORARY ON DATABASE \"crm\" FROM PUBLIC");
    one(&database, "CREATE", ExcessKind::DatabaseCreate, "REVOKE CREATE ON DATABASE \"crm\" FROM PUBLIC");
    one(
        &Object::LargeObject { oid: named("77") },
        "UPDATE",
        ExcessKind::LargeObject,
        "REVOKE UPDATE ON LARGE OBJECT 77 FROM PUBLIC",
    );
    let server = Object::ForeignServer { name: named("far") };
    one(&server, "USAGE", ExcessKind::ForeignServer, "REVOKE USAGE ON FOREIGN SERVER \"far\" FROM PUBLIC");
    let parameter = Object::Parameter { name: named("my.setting") };
    one(&parameter, "ALTER SYSTEM", ExcessKind::Parameter, "REVOKE ALTER SYSTEM ON PARAMETER \"my\".\"setting\" FROM PUBLIC");
}

#[test]
fn attributes_are_taken_away() {
    let one = |change: fn(&mut RoleAttributes), kind: ExcessKind, statement: &str| {
        check(|facts| facts.roles.iter_mut().for_each(change), &[kind], statement);
    };
    one(|role| role.superuser = true, ExcessKind::Superuser, "ALTER ROLE \"reader\" NOSUPERUSER");
    one(|role| role.create_role = true, ExcessKind::CreateRole, "ALTER ROLE \"reader\" NOCREATEROLE");
    one(|role| role.create_database = true, ExcessKind::CreateDatabase, "ALTER ROLE \"reader\" NOCREATEDB");
    one(|role| role.replication = true, ExcessKind::Replication, "ALTER ROLE \"reader\" NOREPLICATION");
    one(|role| role.bypass_row_security = true, ExcessKind::BypassRowSecurity, "ALTER ROLE \"reader\" NOBYPASSRLS");
}

#[test]
fn what_it_owns_is_given_away_and_the_agreed_rights_come_back() {
    let own = |facts: &mut DatabaseFacts| {
        facts.owned.push(Owned { role: "reader".into(), object: "table crm.customers".into(), elsewhere: None });
    };
    check(own, &[ExcessKind::Ownership], "REASSIGN OWNED BY \"reader\" TO CURRENT_USER");
    let mut facts = DatabaseFacts::ordinary();
    own(&mut facts);
    let statements = script(&facts, &excess(&facts));
    assert_eq!(
        statements.last().unwrap(),
        "GRANT SELECT (\"customer_id\", \"tenure\") ON TABLE \"crm\".\"customers\" TO \"reader\""
    );
}

#[test]
fn a_right_that_somebody_else_gave_is_taken_away_in_his_name() {
    let mut facts = DatabaseFacts::ordinary();
    for right in ["UPDATE", "DELETE"] {
        facts.grants.push(Grant {
            grantor: "alice".into(),
            grantable: true,
            ..grant(relation("customers"), right, Some("reader"))
        });
    }
    let statements = script(&facts, &excess(&facts));
    let expected = [
        "SET ROLE \"alice\"",
        "REVOKE UPDATE ON TABLE \"crm\".\"customers\" FROM \"reader\" CASCADE",
        "RESET ROLE",
        "SET ROLE \"alice\"",
        "REVOKE DELETE ON TABLE \"crm\".\"customers\" FROM \"reader\" CASCADE",
        "RESET ROLE",
    ];
    assert_eq!(&statements[..6], expected);
}

#[test]
fn an_agreed_right_that_may_be_passed_on_is_too_much() {
    check(
        |facts| facts.grants.iter_mut().for_each(|grant| grant.grantable = true),
        &[ExcessKind::GrantOption, ExcessKind::GrantOption],
        "REVOKE SELECT (\"tenure\") ON TABLE \"crm\".\"customers\" FROM \"reader\" CASCADE",
    );
}

#[test]
fn rights_on_what_comes_later_count() {
    let later = |right: &str, objects: &str, grantee: Option<&str>| DefaultGrant {
        maker: "crm_owner".into(),
        schema: Some("crm".into()),
        objects: objects.into(),
        right: right.into(),
        grantee: grantee.map(str::to_owned),
    };
    check(
        |facts| facts.defaults.push(later("SELECT", "TABLES", Some("reader"))),
        &[ExcessKind::DefaultPrivilege],
        "ALTER DEFAULT PRIVILEGES FOR ROLE \"crm_owner\" IN SCHEMA \"crm\" REVOKE SELECT ON TABLES FROM \"reader\"",
    );
    check(|facts| facts.defaults.push(later("EXECUTE", "FUNCTIONS", None)), &[], "");
}

#[test]
fn row_level_security_is_asked_of_tables_and_views() {
    let wanted = |facts: &mut DatabaseFacts| facts.row_security_wanted = true;
    check(wanted, &[ExcessKind::RowSecurityOff], "ALTER TABLE \"crm\".\"customers\" ENABLE ROW LEVEL SECURITY");
    check(
        |facts| {
            wanted(facts);
            facts.relation.row_security = true;
        },
        &[],
        "",
    );
    let view = |facts: &mut DatabaseFacts, invoker: bool| {
        let table = Relation { name: "people".into(), row_security: true, reached: invoker, ..facts.relation.clone() };
        facts.beneath.push(Relation { columns: vec!["customer_id".into(), "tenure".into()], ..table });
        facts.relation.kind = RelationKind::View;
        facts.relation.security_invoker = invoker;
    };
    check(
        |facts| view(facts, false),
        &[ExcessKind::ViewOfOwner],
        "GRANT SELECT (\"customer_id\", \"tenure\") ON TABLE \"crm\".\"people\" TO \"reader\"",
    );
    check(|facts| view(facts, true), &[], "");
    let people = Object::Column { schema: "crm".into(), name: "people".into(), column: "tenure".into() };
    let reads = |facts: &mut DatabaseFacts| facts.grants.push(grant(people.clone(), "SELECT", Some("reader")));
    check(
        |facts| {
            view(facts, true);
            reads(facts);
        },
        &[],
        "",
    );
    check(reads, &[ExcessKind::OtherRelation], "");
}

#[test]
fn what_the_contract_asks_for_must_be_readable() {
    check(
        |facts| facts.columns_readable.truncate(1),
        &[ExcessKind::Unreadable],
        "GRANT SELECT (\"customer_id\", \"tenure\") ON TABLE \"crm\".\"customers\" TO \"reader\"",
    );
}

#[test]
fn the_server_and_the_way_to_it_count() {
    check(|facts| facts.server = 120_022, &[ExcessKind::ServerTooOld], "");
    check(|facts| facts.transport = Transport::Plain, &[ExcessKind::NotEncrypted], "");
    check(|facts| facts.transport = Transport::UnixSocket, &[], "");
}

/// Reads a quoted identifier by SQL's rules; answers the name and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (escapes, mut rest) = match text.strip_prefix("U&\"") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('"')?),
    };
    let mut name = String::new();
    loop {
        let mut letters = rest.chars();
        match letters.next()? {
            '"' if letters.as_str().starts_with('"') => {
                name.push('"');
                rest = &letters.as_str()[1..];
                continue;
            }
            '"' => return Some((name, letters.as_str())),
            '\\' if escapes && letters.as_str().starts_with('\\') => {
                name.push('\\');
                rest = &letters.as_str()[1..];
                continue;
            }
            '\\' if escapes => {
                let number = u32::from_str_radix(letters.as_str().get(..4)?, 16).ok()?;
                name.push(char::from_u32(number)?);
                rest = &letters.as_str()[4..];
                continue;
            }
            plain => name.push(plain),
        }
        rest = letters.as_str();
    }
}

proptest! {
    #[test]
    fn a_quoted_name_reads_back_and_nothing_stands_behind_it(name in any::<String>()) {
        let text = quoted(&name);
        prop_assert_eq!(unquoted(&text), Some((name, "")));
        prop_assert!(!text.chars().any(char::is_control));
    }

    #[test]
    fn names_of_a_hostile_catalogue_stay_names(name in "[a\";'\\\\ \n$-]{1,12}") {
        let mut facts = DatabaseFacts::ordinary();
        facts.grants.push(grant(relation(&name), "DELETE", Some("reader")));
        let statements = script(&facts, &excess(&facts));
        let rest = statements[0].strip_prefix("REVOKE DELETE ON TABLE \"crm\".").unwrap();
        prop_assert_eq!(unquoted(rest), Some((name, " FROM \"reader\"")));
    }

    #[test]
    fn words_of_a_hostile_catalogue_are_not_repeated_in_sql(right in any::<String>()) {
        let mut facts = DatabaseFacts::ordinary();
        facts.grants.push(grant(relation("customers"), &right, Some("reader")));
        let statements = script(&facts, &excess(&facts));
        let plain = !right.is_empty() && right.chars().all(|letter| letter.is_ascii_uppercase() || letter == ' ');
        prop_assert_eq!(!statements.is_empty(), plain);
    }
}
