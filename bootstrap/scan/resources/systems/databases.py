"""SQL databases: operators, checks, sensors, transfers and hooks. Names of arguments are those of the providers' source."""

from __future__ import annotations

from bootstrap.scan.resources.systems.table import System

_ANY = "conn_id,sql_conn_id,source_conn_id"

HOOKS = {  # what a hook's database speaks, by the hook's class; `?` where the connection decides
    "DbApiHook": "?",
    "PostgresHook": "postgres",
    "MySqlHook": "mysql",
    "SqliteHook": "sqlite",
    "MsSqlHook": "tsql",
    "OracleHook": "oracle",
    "SnowflakeHook": "snowflake",
    "SnowflakeSqlApiHook": "snowflake",
    "DatabricksSqlHook": "databricks",
    "RedshiftSQLHook": "redshift",
    "BigQueryHook": "bigquery",
    "AthenaSQLHook": "athena",
    "TrinoHook": "trino",
    "PrestoHook": "presto",
    "HiveServer2Hook": "hive",
    "HiveCliHook": "hive",
    "ImpalaHook": "hive",
    "SparkSqlHook": "spark",
    "VerticaHook": "postgres",
    "DuckDBHook": "duckdb",
    "ClickHouseHook": "clickhouse",
    "ExasolHook": "exasol",
    "TeradataHook": "teradata",
    "DrillHook": "drill",
    "DruidDbApiHook": "druid",
    "JdbcHook": "?",
    "OdbcHook": "?",
    "CloudSQLDatabaseHook": "?",
    "GreenplumHook": "postgres",
    "MariaDBHook": "mysql",
    "Db2Hook": "?",
    "PinotDbApiHook": "?",
    "get_hook": "?",  # BaseHook.get_hook("x").run(…), BaseHook.get_connection("x").get_hook().run(…)
    "get_db_hook": "?",
}
METHODS = {  # of such a hook
    "run(sql)": "sql {sql}",
    "get_records(sql)": "sql {sql}",
    "get_first(sql)": "sql {sql}",
    "get_df(sql)": "sql {sql}",
    "get_df_by_chunks(sql)": "sql {sql}",
    "get_pandas_df(sql)": "sql {sql|hql}",
    "get_pandas_df_by_chunks(sql)": "sql {sql}",
    "get_polars_df(sql)": "sql {sql}",
    "get_results(sql)": "sql {sql|hql}",
    "to_csv(sql)": "sql {sql|hql}",
    "run_cli(hql)": "sql {hql}",
    "run_query(sql)": "sql {sql}",
    "execute_query(sql)": "sql {sql}",
    "copy_expert(sql)": "sql {sql}",
    "insert_rows(table)": "insert {table}",
    "upsert_rows(table)": "upsert {table}",
    "bulk_insert_rows(table)": "insert {table}",
    "bulk_load(table)": "insert {table}",
    "bulk_load_custom(table)": "insert {table}",
    "bulk_dump(table)": "select {table}",
    "write_pandas(table)": "insert {table}",
    "load_df(df, table)": "insert {table}",
    "load_file(filepath, table)": "insert {table}",
    "get_table_schema(table_name)": "select [{schema}.]{table_name}",
    # what a cursor, a connection or an engine of it is asked
    "get_conn.cursor.execute(sql)": "sql {sql|query|operation}",
    "get_conn.cursor.executemany(sql)": "sql {sql|query|operation}",
    "get_conn.cursor.copy_expert(sql)": "sql {sql}",
    "get_cursor.execute(sql)": "sql {sql|query|operation}",
    "get_conn.execute(sql)": "sql {sql|query|operation}",
    "get_sqlalchemy_engine.execute(sql)": "sql {sql|statement}",
    "get_sqlalchemy_engine.connect.execute(sql)": "sql {sql|statement}",
    "get_sqlalchemy_engine.begin.execute(sql)": "sql {sql|statement}",
}


def _of_hooks() -> dict[str, tuple[str, ...]]:
    rows: dict[str, tuple[str, ...]] = {}
    for hook, dialect in HOOKS.items():
        for method, text in METHODS.items():
            verb, _, name = text.partition(" ")
            rows[f"{hook}.{method}"] = (f"{verb} {dialect} {name}",)
    return rows


SYSTEM = System(
    via=_ANY,
    rows={
        "SQLExecuteQueryOperator": ("sql ? {sql}",),
        "SQLCheckOperator": ("sql ? {sql}",),
        "SQLValueCheckOperator": ("sql ? {sql}",),
        "SQLThresholdCheckOperator": ("sql ? {sql}",),
        "SQLIntervalCheckOperator": ("select ? {table}",),
        "SQLColumnCheckOperator": ("select ? {table}",),
        "SQLTableCheckOperator": ("select ? {table}",),
        "SQLInsertRowsOperator": ("insert ? [{schema}.]{table_name}", "sql ? {preoperator}", "sql ? {postoperator}"),
        "SQLBulkLoadOperator": ("insert ? {table}", "sql ? {preoperator}", "sql ? {postoperator}"),
        "BranchSQLOperator": ("sql ? {sql}",),
        "SqlSensor": ("sql ? {sql}",),
        "GenericTransfer": (
            "sql ? {sql} via source_conn_id",
            "insert ? {destination_table} via destination_conn_id",
            "sql ? {preoperator} via destination_conn_id",
        ),
        "PostgresOperator": ("sql postgres {sql} via postgres_conn_id,conn_id",),
        "MySqlOperator": ("sql mysql {sql} via mysql_conn_id,conn_id",),
        "SqliteOperator": ("sql sqlite {sql} via sqlite_conn_id,conn_id",),
        "MsSqlOperator": ("sql tsql {sql} via mssql_conn_id,conn_id",),
        "OracleOperator": ("sql oracle {sql} via oracle_conn_id,conn_id",),
        "OracleStoredProcedureOperator": ("run routine {procedure} via oracle_conn_id",),
        "JdbcOperator": ("sql ? {sql} via jdbc_conn_id,conn_id",),
        "VerticaOperator": ("sql postgres {sql} via vertica_conn_id,conn_id",),
        "TrinoOperator": ("sql trino {sql} via trino_conn_id,conn_id",),
        "PrestoOperator": ("sql presto {sql} via presto_conn_id,conn_id",),
        "ExasolOperator": ("sql exasol {sql} via exasol_conn_id,conn_id",),
        "TeradataOperator": ("sql teradata {sql} via teradata_conn_id,conn_id",),
        "TeradataStoredProcedureOperator": ("run routine {procedure} via teradata_conn_id",),
        "BteqOperator": ("sql teradata {sql} via teradata_conn_id",),
        "DrillOperator": ("sql drill {sql} via drill_conn_id,conn_id",),
        "YDBExecuteQueryOperator": ("sql ? {sql} via ydb_conn_id,conn_id",),
        "ClickHouseOperator": ("sql clickhouse {sql} via clickhouse_conn_id,conn_id",),
        "MaxComputeSQLOperator": ("sql hive {sql} via maxcompute_conn_id",),
        "PgVectorIngestOperator": ("sql postgres {sql}",),
        "SnowflakeOperator": ("sql snowflake {sql} via snowflake_conn_id,conn_id",),
        "SnowflakeSqlApiOperator": ("sql snowflake {sql} via snowflake_conn_id,conn_id",),
        "SnowflakeCheckOperator": ("sql snowflake {sql} via snowflake_conn_id",),
        "SnowflakeValueCheckOperator": ("sql snowflake {sql} via snowflake_conn_id",),
        "SnowflakeIntervalCheckOperator": ("select snowflake {table} via snowflake_conn_id",),
        "CopyFromExternalStageToSnowflakeOperator": (
            "insert snowflake [{database}.][{schema}.]{table} via snowflake_conn_id",
        ),
        "DatabricksSqlOperator": ("sql databricks {sql} via databricks_conn_id,conn_id",),
        "DatabricksSqlSensor": ("sql databricks {sql} via databricks_conn_id",),
        "DatabricksSQLStatementsOperator": ("sql databricks {statement} via databricks_conn_id",),
        "DatabricksPartitionSensor": ("select databricks {table_name} via databricks_conn_id",),
        "DatabricksCopyIntoOperator": (
            "insert databricks {table_name} via databricks_conn_id",
            "read object {file_location} via databricks_conn_id",
        ),
        "HiveOperator": ("sql hive {hql} via hive_cli_conn_id",),
        "HivePartitionSensor": ("select hive [{schema}.]{table} via metastore_conn_id",),
        "MetastorePartitionSensor": ("select hive [{schema}.]{table} via mysql_conn_id",),
        "HiveStatsCollectionOperator": ("select hive {table} via presto_conn_id",),
        "SparkSqlOperator": ("sql spark {sql} via conn_id,spark_conn_id",),
        "SparkJDBCOperator": (
            "select ? {jdbc_table} via jdbc_conn_id if cmd_type=jdbc_to_spark",
            "insert ? {jdbc_table} via jdbc_conn_id if cmd_type=spark_to_jdbc|-",
        ),
        "HiveToMySqlOperator": (
            "sql hive {sql} via hiveserver2_conn_id",
            "insert mysql {mysql_table} via mysql_conn_id",
            "sql mysql {mysql_preoperator} via mysql_conn_id",
            "sql mysql {mysql_postoperator} via mysql_conn_id",
        ),
        "HiveToSambaOperator": (
            "sql hive {hql} via hiveserver2_conn_id",
            "write path {destination_filepath} via samba_conn_id",
        ),
        "MySqlToHiveOperator": (
            "sql mysql {sql} via mysql_conn_id",
            "insert hive {hive_table} via hive_cli_conn_id",
        ),
        "MsSqlToHiveOperator": (
            "sql tsql {sql} via mssql_conn_id",
            "insert hive {hive_table} via hive_cli_conn_id",
        ),
        "VerticaToHiveOperator": (
            "sql postgres {sql} via vertica_conn_id",
            "insert hive {hive_table} via hive_cli_conn_id",
        ),
        "VerticaToMySqlOperator": (
            "sql postgres {sql} via vertica_conn_id",
            "insert mysql {mysql_table} via mysql_conn_id",
            "sql mysql {mysql_preoperator} via mysql_conn_id",
            "sql mysql {mysql_postoperator} via mysql_conn_id",
        ),
        "TrinoToMySqlOperator": (
            "sql trino {sql} via trino_conn_id",
            "insert mysql {mysql_table} via mysql_conn_id",
            "sql mysql {mysql_preoperator} via mysql_conn_id",
        ),
        "PrestoToMySqlOperator": (
            "sql presto {sql} via presto_conn_id",
            "insert mysql {mysql_table} via mysql_conn_id",
            "sql mysql {mysql_preoperator} via mysql_conn_id",
        ),
        "OracleToOracleOperator": (
            "sql oracle {source_sql} via oracle_source_conn_id",
            "insert oracle {destination_table} via oracle_destination_conn_id",
        ),
        "OracleToAzureDataLakeOperator": (
            "sql oracle {sql} via oracle_conn_id",
            "write path {azure_data_lake_path}/{filename} via azure_data_lake_conn_id",
        ),
        "TeradataToTeradataOperator": (
            "sql teradata {sql} via source_teradata_conn_id",
            "insert teradata {destination_table} via dest_teradata_conn_id",
        ),
        "AzureBlobStorageToTeradataOperator": (
            "read object {blob_source_key} via azure_conn_id",
            "insert teradata {teradata_table} via teradata_conn_id",
        ),
        "SqoopOperator": (
            "select ? {table} via conn_id if cmd_type=import|-",
            "insert ? {table} via conn_id if cmd_type=export",
        ),
        "read_sql(sql, con)": ("sql ? {sql}",),
        "read_sql_query(sql, con)": ("sql ? {sql}",),
        "read_sql_table(table_name, con)": ("select ? [{schema}.]{table_name}",),
        **_of_hooks(),
    },
    aliases={
        "SqlOperator": "SQLExecuteQueryOperator",
        "CheckOperator": "SQLCheckOperator",
        "ValueCheckOperator": "SQLValueCheckOperator",
        "IntervalCheckOperator": "SQLIntervalCheckOperator",
        "ThresholdCheckOperator": "SQLThresholdCheckOperator",
        "BranchSqlOperator": "BranchSQLOperator",
        "S3ToSnowflakeOperator": "CopyFromExternalStageToSnowflakeOperator",
        "MySqlToHiveTransfer": "MySqlToHiveOperator",
        "HiveToMySqlTransfer": "HiveToMySqlOperator",
    },
)
