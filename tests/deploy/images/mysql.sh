set -eu
kind=$1
shift
data=/var/lib/mysql
if [ "$kind" = mariadb ]; then
  server=mariadbd database=$MARIADB_DATABASE user=$MARIADB_USER password=$MARIADB_PASSWORD
else
  server=mysqld database=$MYSQL_DATABASE user=$MYSQL_USER password=$MYSQL_PASSWORD
fi
if [ ! -d "$data/mysql" ]; then
  if [ "$kind" = mariadb ]; then
    mariadb-install-db --datadir=$data --skip-test-db --auth-root-authentication-method=normal --skip-name-resolve >/dev/null
  else
    mysqld --no-defaults --initialize-insecure --datadir=$data
  fi
  printf "CREATE DATABASE \`%s\`;\nCREATE USER '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON \`%s\`.* TO '%s'@'%%';\n" \
    "$database" "$user" "$password" "$database" "$user" >/tmp/init.sql
  set -- "$@" --init-file=/tmp/init.sql
fi
exec "$server" --no-defaults --datadir=$data --socket=/tmp/mysqld.sock --pid-file=/tmp/mysqld.pid --bind-address=0.0.0.0 "$@"
