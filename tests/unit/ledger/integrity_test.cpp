#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "fixture.hpp"
#include "ledger/audit.hpp"

namespace moegate::ledger {
namespace {

constexpr const char* kTables[] = {"orgs", "audit", "requests", "progress", "usage"};

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

// A closed ledger with rows in every table.
void make_small_ledger(const std::filesystem::path& dir) {
  auto ledger = open_ledger(test_options(dir));
  ASSERT_TRUE(ledger
                  ->transact([&](sqlite3* db) {
                    sql::Row row{std::string("acme"), std::int64_t{1}, std::monostate{}};
                    append_mac("orgs", row, ledger->mac_key());
                    sql::Statement(db, "INSERT INTO orgs VALUES(?,?,?,?)").bind_row(row).run();
                    append_audit(db, ledger->mac_key(), {"cli", "org.create", "orgs", "acme", 1}, nullptr, row);
                    return moe::Status();
                  })
                  .ok());
  for (int i = 0; i < 6; ++i) run_request(*ledger, "request-" + std::to_string(i), 5 + i);
}

// With requests left open, as a crash leaves them: copied while the ledger is open.
void make_crashed_ledger(const std::filesystem::path& dir) {
  TemporaryFolder source;
  make_small_ledger(source.path());
  auto ledger = open_ledger(test_options(source.path()));
  Batch batch;
  batch.admissions = {admission("open-1"), admission("open-2")};
  batch.progress = {progress("open-1", 3)};
  submit_and_wait(*ledger, std::move(batch));
  for (const char* name : {"ledger.db", "ledger.db-wal", "heads"}) {
    std::filesystem::copy_file(source.path() / name, dir / name, std::filesystem::copy_options::overwrite_existing);
  }
}

std::map<std::string, std::vector<sql::Row>> dump(const std::filesystem::path& file) {
  std::map<std::string, std::vector<sql::Row>> rows;
  sql::Connection db(file, sql::Connection::Mode::read_only);
  for (const std::string table : kTables) {
    sql::Statement statement(db.get(), "SELECT * FROM " + table + " NOT INDEXED ORDER BY 1");
    while (statement.step()) rows[table].push_back(statement.row());
  }
  return rows;
}

// What start and verify say about the directory; empty if both are content.
std::string what_is_said(const std::filesystem::path& dir) {
  auto ledger = Ledger::open(test_options(dir));
  if (!ledger.ok()) return ledger.status().message();
  const auto verification = (*ledger)->verify();
  if (!verification.ok()) return verification.status().message();
  std::string text;
  for (const Finding& finding : verification->findings)
    text += finding.table + " " + finding.key + ": " + finding.what + "\n";
  return text;
}

TEST(Integrity, D4_every_changed_cell_is_named_by_table_and_key) {
  TemporaryFolder folder;
  make_crashed_ledger(folder.path());
  const std::string database = read_file(folder.path() / "ledger.db");
  const std::string log = read_file(folder.path() / "ledger.db-wal");
  int changed = 0;
  for (const std::string table : kTables) {
    std::vector<std::string> columns;
    {
      sql::Connection db(folder.path() / "ledger.db", sql::Connection::Mode::read_only);
      sql::Statement info(db.get(), "SELECT name FROM pragma_table_info('" + table + "')");
      while (info.step()) columns.push_back(info.text(0));
    }
    for (const std::string& column : columns) {
      write_file(folder.path() / "ledger.db", database);
      write_file(folder.path() / "ledger.db-wal", log);
      std::filesystem::remove(folder.path() / "ledger.db-shm");
      std::string key;
      {
        sql::Connection db(folder.path() / "ledger.db", sql::Connection::Mode::read_write);
        sql::execute(db.get(), "PRAGMA foreign_keys = OFF");
        std::vector<std::string> triggers;
        sql::Statement list(
            db.get(), "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '" + table + "'");
        std::vector<std::string> names;
        while (list.step()) {
          names.push_back(list.text(0));
          triggers.push_back(list.text(1));
        }
        list.reset();
        for (const std::string& name : names) sql::execute(db.get(), "DROP TRIGGER " + name);
        const std::string first = columns[0];
        sql::Statement pick(db.get(), "SELECT min(" + first + ") FROM " + table);
        ASSERT_TRUE(pick.step());
        key = pick.text(0);
        pick.reset();
        sql::execute(db.get(),
                     "UPDATE " + table + " SET " + column + " = CASE typeof(" + column + ") WHEN 'integer' THEN " +
                         column + " + 1000 WHEN 'text' THEN " + column + " || 'x' WHEN 'blob' THEN zeroblob(5) ELSE " +
                         (column == "old_digest" ? "zeroblob(5)" : "7") + " END WHERE " + first + " = '" + key + "'");
        ASSERT_EQ(sqlite3_changes(db.get()), 1) << table << "." << column;
        for (const std::string& trigger : triggers) sql::execute(db.get(), trigger);
      }
      const std::string said = what_is_said(folder.path());
      EXPECT_NE(said.find(table), std::string::npos) << table << "." << column << ": " << said;
      EXPECT_NE(said.find(key), std::string::npos) << table << "." << column << ": " << said;
      ++changed;
    }
  }
  EXPECT_EQ(changed, 4 + 11 + 17 + 7 + 30);
}

TEST(Integrity, D4_a_removed_row_is_named) {
  TemporaryFolder folder;
  make_crashed_ledger(folder.path());
  const std::string database = read_file(folder.path() / "ledger.db");
  const std::string log = read_file(folder.path() / "ledger.db-wal");
  const std::pair<std::string, std::string> removals[] = {
      {"DELETE FROM orgs", "orgs acme"},
      {"DELETE FROM audit", "audit 0: is the last record of ledger.db"},
      {"DELETE FROM requests WHERE request_id = 'request-2'", "requests request-2"},
      {"DELETE FROM progress WHERE request_id = 'open-1'", "requests open-1"},
      {"DELETE FROM usage WHERE seq = 3", "usage 3"},
      {"DELETE FROM usage WHERE seq = 6",
       "usage 5: is the last record of ledger.db, but the file heads has signed record 6"}};
  for (const auto& [removal, name] : removals) {
    write_file(folder.path() / "ledger.db", database);
    write_file(folder.path() / "ledger.db-wal", log);
    std::filesystem::remove(folder.path() / "ledger.db-shm");
    {
      sql::Connection db(folder.path() / "ledger.db", sql::Connection::Mode::read_write);
      sql::execute(db.get(), "PRAGMA foreign_keys = OFF");
      std::vector<std::string> triggers;
      sql::Statement list(db.get(), "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'");
      std::string drop;
      while (list.step()) {
        drop += "DROP TRIGGER " + list.text(0) + ";";
        triggers.push_back(list.text(1));
      }
      list.reset();
      sql::execute(db.get(), drop);
      sql::execute(db.get(), removal);
      for (const std::string& trigger : triggers) sql::execute(db.get(), trigger);
    }
    const std::string said = what_is_said(folder.path());
    EXPECT_NE(said.find(name), std::string::npos) << removal << ": " << said;
  }
}

TEST(Integrity, a_missing_trigger_is_named) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  {
    sql::Connection db(folder.path() / "ledger.db", sql::Connection::Mode::read_write);
    sql::execute(db.get(), "DROP TRIGGER usage_no_update");
  }
  EXPECT_NE(what_is_said(folder.path()).find("usage_no_update"), std::string::npos);
}

// A flip either changes nothing anybody reads, or start or verify say so.
TEST(Integrity, D4_no_flipped_bit_is_silent) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  const auto file = folder.path() / "ledger.db";
  const std::string bytes = read_file(file);
  const std::string heads = read_file(folder.path() / "heads");
  const auto expected = dump(file);
  const std::uint32_t seed = 4;
  std::uint32_t state = seed;
  int named = 0;
  for (int i = 0; i < 400; ++i) {
    state = state * 1664525u + 1013904223u;
    // Every other flip falls into bytes that hold something.
    std::size_t place = (static_cast<std::size_t>(state >> 4) * 2654435761u) % bytes.size();
    while (i % 2 == 0 && bytes[place] == 0) place = (place + 1) % bytes.size();
    std::string flipped = bytes;
    flipped[place] = static_cast<char>(flipped[place] ^ (1 << (state >> 29)));
    write_file(file, flipped);
    write_file(folder.path() / "heads", heads);
    for (const char* name : {"ledger.db-wal", "ledger.db-shm"}) std::filesystem::remove(folder.path() / name);
    const std::string said = what_is_said(folder.path());
    if (!said.empty()) {
      ++named;
      continue;
    }
    EXPECT_TRUE(dump(file) == expected) << "seed " << seed << ", byte " << place << " of " << bytes.size();
  }
  EXPECT_GT(named, 100);
}

TEST(Integrity, D4_cuts_of_the_file_are_refused) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  const auto file = folder.path() / "ledger.db";
  const std::string bytes = read_file(file);
  const auto expected = dump(file);
  for (std::size_t size = 0; size < bytes.size(); size += 4096 + 512) {
    write_file(file, bytes.substr(0, size));
    // A cut behind everything that is stored in the last page takes nothing away.
    if (what_is_said(folder.path()).empty()) {
      EXPECT_TRUE(dump(file) == expected) << size;
    }
    for (const char* name : {"ledger.db-wal", "ledger.db-shm"}) std::filesystem::remove(folder.path() / name);
  }
}

TEST(Integrity, an_older_database_than_the_signed_head_is_refused_naming_both) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  const std::string old = read_file(folder.path() / "ledger.db");
  {
    auto ledger = open_ledger(test_options(folder.path()));
    for (int i = 0; i < 300; ++i) run_request(*ledger, "later-" + std::to_string(i), 1);
  }
  write_file(folder.path() / "ledger.db", old);
  const std::string said = what_is_said(folder.path());
  EXPECT_NE(said.find("usage 6"), std::string::npos) << said;
  EXPECT_NE(said.find("signed record 306"), std::string::npos) << said;
}

TEST(Integrity, a_ledger_of_another_history_is_refused) {
  TemporaryFolder folder, other;
  make_small_ledger(folder.path());
  {
    auto ledger = open_ledger(test_options(other.path()));
    for (int i = 0; i < 10; ++i) run_request(*ledger, "other-" + std::to_string(i), 1);
  }
  write_file(folder.path() / "ledger.db", read_file(other.path() / "ledger.db"));
  EXPECT_NE(what_is_said(folder.path()).find("different histories"), std::string::npos);
}

TEST(Integrity, a_lost_database_or_lost_heads_are_refused) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  const std::string heads = read_file(folder.path() / "heads");
  std::filesystem::remove(folder.path() / "heads");
  EXPECT_NE(what_is_said(folder.path()).find("heads beside ledger.db is missing"), std::string::npos);
  write_file(folder.path() / "heads", heads);
  std::filesystem::remove(folder.path() / "ledger.db");
  EXPECT_NE(what_is_said(folder.path()).find("older database"), std::string::npos);
}

TEST(Integrity, a_torn_last_head_is_cut_off_and_other_damage_refused) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  const auto file = folder.path() / "heads";
  const std::string heads = read_file(file);
  for (const std::size_t torn : {1u, 40u, 120u}) {
    write_file(file, heads + heads.substr(0, torn));
    EXPECT_EQ(what_is_said(folder.path()), "") << torn;
    EXPECT_EQ(read_file(file), heads) << torn;
  }
  std::string damaged = heads;
  const std::size_t last = heads.rfind('\n', heads.size() - 2) + 1;
  damaged[last] = '9';
  damaged[last - 3] = damaged[last - 3] == '0' ? '1' : '0';
  write_file(file, damaged);
  EXPECT_NE(what_is_said(folder.path()).find("heads: the last lines are damaged"), std::string::npos);
  damaged = heads;
  damaged[3] = damaged[3] == '0' ? '1' : '0';  // an early line: start goes on, verify names it
  write_file(file, damaged);
  EXPECT_NE(what_is_said(folder.path()).find("heads line 1"), std::string::npos);
}

TEST(Integrity, another_key_fits_no_row) {
  TemporaryFolder folder;
  make_small_ledger(folder.path());
  Options options = test_options(folder.path());
  options.mac_key.assign(32, 8);
  EXPECT_FALSE(Ledger::open(options).ok());
}

}  // namespace
}  // namespace moegate::ledger
