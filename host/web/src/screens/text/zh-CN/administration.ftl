# 系统管理的画面。

screen-administration = 系统管理
