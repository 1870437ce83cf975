// Writes batches as rows inside the transaction of the ledger thread, and knows what is open: requests without a
// terminal record, the end of the chain, the sums. Two phases: apply() in the transaction, then committed() or
// rolled_back(). Ledger thread only.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ledger/canonical.hpp"
#include "ledger/ledger.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::ledger {

struct ChainEnd {
  std::int64_t seq = 0;
  Hash hash{};
};

// Adds; false (and no change) if a sum would leave 63 bits.
bool add_counts(Counts* sum, const Counts& more);

class Writer {
 public:
  Writer(sqlite3* db, std::vector<std::uint8_t> mac_key, bool durable_per_request);

  // Loads the end of the chain and the sums from the database.
  void load();
  // True if the batch has anything to write now (with durability "request" only terminals have).
  bool needs_commit(const Batch& batch) const;
  // Writes the rows; appends the seq of each terminal to `records`. Throws sql::Error; SQLITE_CONSTRAINT if the batch
  // contradicts the ledger (unknown or ended request, counts beyond every bound).
  void apply(const Batch& batch, std::vector<std::int64_t>* records);
  // A request left over by a process that died: its durable progress becomes its terminal record.
  void recover(const Admission& admission, const Terminal& terminal);
  void committed();
  void rolled_back();

  const ChainEnd& end() const { return end_; }
  const Counts& totals() const { return totals_; }
  const std::map<std::string, Counts>& model_totals() const { return model_totals_; }

 private:
  void admit(const Admission& admission, const Batch& batch);
  void write_progress(const Progress& progress);
  std::int64_t write_terminal(const Admission& admission, const Terminal& terminal);
  const Admission& open_request(const std::string& request_id) const;

  sqlite3* db_;
  std::vector<std::uint8_t> mac_key_;
  bool durable_per_request_;
  sql::Statement insert_request_, upsert_progress_, delete_progress_, insert_usage_;
  ChainEnd end_, durable_end_;
  Counts totals_;
  std::map<std::string, Counts> model_totals_;
  std::unordered_map<std::string, Admission> open_;
  std::vector<std::string> opened_, ended_;            // in the running transaction
  std::vector<std::pair<std::string, Counts>> added_;  // model and counts of its terminals
};

sql::Row request_row(const Admission& admission);
// Of a requests row that passed its mac.
Admission admission_of(const sql::Row& row);

}  // namespace moegate::ledger
