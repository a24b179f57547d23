// Short names for building the tables and statements of this module. Only for its .cpp files.
//
//   update.where = sql::eq(col("id"), text(id));
#pragma once

#include <string>

#include "cluster/tables.h"

namespace halcyon::cluster {

std::string table_name(const schema::Settings& settings, std::string_view name);
sql::TableSpec table_spec(const schema::Settings& settings, std::string_view name);
sql::ColumnSpec not_null(std::string name, sql::Type type, int length = 0);
sql::ColumnSpec nullable(std::string name, sql::Type type, int length = 0);
inline sql::Expr number(int64_t value) { return sql::param(sql::Value(value)); }
inline sql::Expr text(std::string value) { return sql::param(sql::Value(std::move(value))); }
inline sql::Expr flag(bool value) { return sql::param(sql::Value(value)); }
inline sql::Expr col(std::string name) { return sql::column("", std::move(name)); }
inline sql::Expr plus(sql::Expr a, sql::Expr b) {
  return sql::binary(sql::BinaryOp::kAdd, std::move(a), std::move(b));
}
inline sql::Expr less(sql::Expr a, sql::Expr b) {
  return sql::binary(sql::BinaryOp::kLt, std::move(a), std::move(b));
}
inline sql::Expr greater(sql::Expr a, sql::Expr b) {
  return sql::binary(sql::BinaryOp::kGt, std::move(a), std::move(b));
}
int64_t to_number(sql::Cell cell);  // 0 for NULL
bool to_flag(sql::Cell cell);

}  // namespace halcyon::cluster
