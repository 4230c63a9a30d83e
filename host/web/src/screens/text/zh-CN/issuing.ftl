# 发卡台的画面。

screen-issuing = 发卡
